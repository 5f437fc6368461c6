import { expect, it } from 'vitest';
import { ANY, RecentRemovals } from '../../../lib/replication/stream/recent-removals.js';

const MINUTE = 60_000_000n;
const removal = { known: 5n, commitTime: 10n };

it('devices may know what the removed row was until the removal is told [W-HOST-64]', () => {
  const removals = new RecentRemovals();
  removals.begin(20n);
  removals.add('tasks', 'a', removal);
  removals.begin(30n);
  expect(removals.knownTime('tasks', 'a', 29n)).toBe(30n);
  expect(removals.knownTime('tasks', 'b', 29n)).toBeNull();
  expect(removals.knownTime('notes', 'a', 29n)).toBeNull();
});

it('nobody has seen a row go that is replaced in one transaction [interleaving 12]', () => {
  const removals = new RecentRemovals();
  removals.begin(20n);
  removals.add('tasks', 'a', removal);
  expect(removals.knownTime('tasks', 'a', 10n)).toBe(5n);
});

it('devices may have seen it go where another transaction puts it back, in the same batch, too [W-HOST-99]', () => {
  const removals = new RecentRemovals();
  removals.begin(20n);
  removals.add('tasks', 'a', removal);
  expect(removals.knownTime('tasks', 'a', 11n)).toBe(20n);
});

it('a removal of unknown rows is one of every row of the table [W-HOST-96]', () => {
  const removals = new RecentRemovals();
  removals.begin(20n);
  removals.add('tasks', ANY, removal);
  removals.begin(30n);
  expect(removals.knownTime('tasks', 'a', 29n)).toBe(30n);
  expect(removals.knownTime('notes', 'a', 29n)).toBeNull();
});

it('a row is forgotten after a minute', () => {
  const removals = new RecentRemovals();
  removals.begin(20n);
  removals.add('tasks', 'a', { known: 5n * MINUTE, commitTime: 10n });
  removals.begin(30n);
  removals.begin(30n + MINUTE);
  expect(removals.knownTime('tasks', 'a', 30n + MINUTE)).toBe(5n * MINUTE);
  removals.begin(31n + MINUTE);
  expect(removals.knownTime('tasks', 'a', 31n + MINUTE)).toBeNull();
});

it.each([
  ['at once', 0n],
  ['one after the other', 1n],
])('of more removals than there is room for, %s, all rows count as removed [W-HOST-99]', (_, step) => {
  const removals = new RecentRemovals();
  let now = 20n;
  for (let row = 0; row <= 50_001; row++) {
    removals.begin((now += step));
    removals.add('tasks', `row ${row}`, removal);
  }
  removals.begin(now + 1n);
  expect(removals.knownTime('tasks', 'row 0', now)).toBeGreaterThanOrEqual(now);
  expect(removals.knownTime('notes', 'a', now)).toBeGreaterThanOrEqual(now);
});
