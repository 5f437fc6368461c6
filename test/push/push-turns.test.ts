import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LwwResolver } from '../../lib/resolvers/conflict-resolver.js';
import { change, type PushFixture, pushFixture } from '../support/push-fixture.js';
import { ALICE, DDL, TABLES } from '../support/push-tables.js';
import { countRounds } from '../support/rounds.js';

const CHANGES = 300;
/** What it takes to decide one of them, at least. */
const EACH_MS = 0.2;

let push: PushFixture;

beforeAll(async () => {
  push = await pushFixture(TABLES, DDL);
});
afterAll(() => push.close());

function spend(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

it.each([
  ['of one record', () => 1],
  ['of different records', () => CHANGES],
])('changes %s are decided while others have their turns [W-LOAD-29]', async (_, records) => {
  const ids = Array.from({ length: records() }, () => randomUUID());
  for (const id of ids)
    await push.db.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, $2, $1::uuid::text)`, [
      id,
      ALICE,
    ]);
  const rounds = countRounds();
  const decidedIn: number[] = [];
  const resolver = Object.assign(new LwwResolver({ clockSkewTolerance: 0 }), {
    resolve: () => {
      decidedIn.push(rounds.count);
      spend(EACH_MS);
      return { winner: 'server', reason: 'it is newer' } as const;
    },
  });
  const changes = Array.from({ length: CHANGES }, (__, n) =>
    change('update', 'tasks', ids[n % ids.length], { title: 'late' }, { at: '2001-01-01T00:00:00Z' }),
  );
  await push.push(ALICE, changes, { resolver });
  rounds.stop();
  expect(decidedIn.length).toBe(CHANGES);
  expect(new Set(decidedIn).size).toBeGreaterThanOrEqual(5);
});
