import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushChange, PushResult } from '../../../lib/engine/push/push-change.js';
import { createTableSql, owned, readOnly } from '../../support/schema-fixtures.js';
import { change, type PushFixture, pushFixture } from '../../support/push-fixture.js';
import { ALICE } from '../../support/push-tables.js';
import { OwnerWritePolicy, PerTableWritePolicy, WritePolicy } from '../../../lib/index.js';

let push: PushFixture;

const LATE = 'DEFERRABLE INITIALLY DEFERRED';

beforeAll(async () => {
  push = await pushFixture(
    [
      owned('lists'),
      readOnly('items', {
        pushPolicy: 'owner_only',
        parent: 'lists',
        parentFkColumn: 'list_id',
        protectedColumns: new Set(['id', 'updated_at', 'deleted_at', 'list_id']),
        depth: 1,
      }),
      owned('seats'),
      owned('rounds'),
      owned('entries'),
      owned('slots'),
    ],
    [
      'CREATE EXTENSION btree_gist',
      createTableSql('lists', `user_id uuid, title text CHECK (title <> 'bad'), cover_item_id uuid`),
      createTableSql(
        'items',
        `list_id uuid NOT NULL REFERENCES lists ${LATE}, title text CHECK (title <> 'bad')`,
      ),
      `ALTER TABLE lists ADD FOREIGN KEY (cover_item_id) REFERENCES items ${LATE}`,
      createTableSql('seats', `user_id uuid, place text, note text, other text, UNIQUE (place) ${LATE}`),
      createTableSql(
        'rounds',
        `user_id uuid, next_id uuid NOT NULL REFERENCES rounds ${LATE}, title text, note text`,
      ),
      createTableSql('entries', 'user_id uuid, booking uuid, amount integer, note text'),
      `CREATE FUNCTION balance() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF (SELECT sum(amount) FROM entries WHERE booking = NEW.booking AND deleted_at IS NULL) <> 0
         THEN RAISE 'unbalanced'; END IF;
         RETURN NULL;
       END $$`,
      `CREATE CONSTRAINT TRIGGER balance AFTER INSERT OR UPDATE ON entries ${LATE} FOR EACH ROW EXECUTE FUNCTION balance()`,
      createTableSql(
        'slots',
        `user_id uuid, during int4range, note text, EXCLUDE USING gist (during WITH &&) ${LATE}`,
      ),
    ],
  );
});
afterAll(() => push.close());

const statuses = (results: readonly PushResult[]): readonly string[] => results.map(({ status }) => status);

const APPLIED = (count: number): readonly string[] => Array(count).fill('applied');

/** A list and the item that is its cover, each of which refers to the other. */
const covered = (data: object = {}): readonly [PushChange, PushChange] => {
  const [list, item] = [randomUUID(), randomUUID()];
  return [
    change('create', 'lists', list, { title: 'x', cover_item_id: item, ...data }),
    change('create', 'items', item, { list_id: list, title: 'x', ...data }),
  ];
};

const seat = async (place: string): Promise<string> => {
  const id = randomUUID();
  await push.push(ALICE, [change('create', 'seats', id, { place })]);
  return id;
};

describe('rows that refer to each other by deferred constraints', () => {
  it('are written together, in either order [interleaving 18] [W-HOST-34]', async () => {
    const pairs = [covered(), covered()];
    expect(statuses(await push.push(ALICE, pairs[0] ?? []))).toEqual(APPLIED(2));
    expect(statuses(await push.push(ALICE, pairs[1]?.toReversed() ?? []))).toEqual(APPLIED(2));
  });

  it('are written beside others that fail, however many there are [interleaving 18] [W-HOST-34]', async () => {
    const pairs = Array.from({ length: 5 }, () => covered());
    const bad = [covered({ title: 'bad' }), covered({ title: 'bad' })].flat();
    const hanging = change('create', 'lists', randomUUID(), { title: 'x', cover_item_id: randomUUID() });
    const results = await push.push(
      ALICE,
      [bad[0], ...pairs.flat(), hanging, ...bad.slice(1)].flatMap((c) => c ?? []),
    );
    expect(statuses(results.slice(1, 11))).toEqual(APPLIED(10));
    expect(new Set(statuses([...results.slice(0, 1), ...results.slice(11)]))).toEqual(
      new Set(['rejected_terminal']),
    );
  });

  it('a bad one that needs a good pair takes it not along [interleaving 18] [W-HOST-34]', async () => {
    const [list, item] = covered();
    const hanger = change('create', 'lists', randomUUID(), { title: 'bad', cover_item_id: item.id });
    expect(statuses(await push.push(ALICE, [hanger, list, item]))).toEqual([
      'rejected_terminal',
      'applied',
      'applied',
    ]);
  });

  it('three of them make a circle, too, with others that follow [interleaving 18] [W-HOST-34]', async () => {
    const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [
      change('create', 'rounds', a, { next_id: b, title: 'x' }),
      change('create', 'rounds', b, { next_id: c, note: 'x' }),
      change('create', 'rounds', c, { next_id: a, title: 'x', note: 'y' }),
      change('update', 'rounds', a, { title: 'later' }),
    ]);
    expect(statuses(results)).toEqual(APPLIED(4));
    expect(await push.db.query('SELECT title FROM rounds WHERE id = $1', [a])).toEqual([{ title: 'later' }]);
  });
});

describe('a swap under a deferred unique constraint', () => {
  it('may name different columns [interleaving 18] [W-HOST-34]', async () => {
    const [a, b] = [await seat('a'), await seat('b')];
    const results = await push.push(ALICE, [
      change('update', 'seats', a, { place: 'b' }),
      change('update', 'seats', b, { place: 'a', note: 'swapped' }),
    ]);
    expect(statuses(results)).toEqual(APPLIED(2));
  });

  it('may go round among three, beside one that is refused [interleaving 18] [W-HOST-34]', async () => {
    const [a, b, c, d] = [await seat('1'), await seat('2'), await seat('3'), await seat('4')];
    await seat('5');
    const results = await push.push(ALICE, [
      change('update', 'seats', d, { place: '5', note: 'taken' }),
      change('update', 'seats', a, { place: '2' }),
      change('update', 'seats', b, { place: '3', note: 'x' }),
      change('update', 'seats', c, { place: '1', other: 'x' }),
    ]);
    expect(statuses(results)).toEqual(['rejected_terminal', ...APPLIED(3)]);
  });

  it('may be one of a create with an update [interleaving 18] [W-HOST-34]', async () => {
    const [a, b] = [await seat('here'), randomUUID()];
    const results = await push.push(ALICE, [
      change('create', 'seats', b, { place: 'here' }),
      change('update', 'seats', a, { place: 'there' }),
    ]);
    expect(statuses(results)).toEqual(APPLIED(2));
  });

  it('is judged as a whole by an exclusion constraint [interleaving 18] [W-HOST-34]', async () => {
    const [a, b] = [randomUUID(), randomUUID()];
    await push.push(ALICE, [
      change('create', 'slots', a, { during: '[1,5)' }),
      change('create', 'slots', b, { during: '[5,9)' }),
    ]);
    const results = await push.push(ALICE, [
      change('update', 'slots', a, { during: '[6,9)' }),
      change('update', 'slots', b, { during: '[1,6)', note: 'x' }),
    ]);
    expect(statuses(results)).toEqual(APPLIED(2));
  });
});

const entry = (of: string, amount: number, data: object = {}): PushChange =>
  change('create', 'entries', randomUUID(), { booking: of, amount, ...data });

it('what a deferred trigger adds up is added up over the whole push [interleaving 18] [W-HOST-34]', async () => {
  const [booking, other] = [randomUUID(), randomUUID()];
  const results = await push.push(ALICE, [
    entry(other, 7),
    entry(booking, 5),
    entry(booking, -3, { note: 'x' }),
    entry(booking, -2, { note: 'y' }),
  ]);
  expect(statuses(results)).toEqual(['rejected_terminal', ...APPLIED(3)]);
});

const lost = (): PushChange =>
  change('create', 'lists', randomUUID(), { title: 'x', cover_item_id: randomUUID() });

it('nothing is left to fail at COMMIT [interleaving 18] [W-HOST-34]', async () => {
  const missing = [lost(), lost()];
  expect(statuses(await push.push(ALICE, [...covered(), ...missing]))).toEqual([
    'applied',
    'applied',
    'rejected_terminal',
    'rejected_terminal',
  ]);
  expect(statuses(await push.push(ALICE, missing))).toEqual(['rejected_terminal', 'rejected_terminal']);
  expect(await push.db.query('SELECT FROM lists WHERE id = ANY($1)', [missing.map(({ id }) => id)])).toEqual(
    [],
  );
});

it('a pair that needs each other is not written past a policy that was not asked [W-WRITE-3]', async () => {
  class Never extends WritePolicy {
    override decide(): readonly boolean[] {
      return [false];
    }
  }
  const policy = new PerTableWritePolicy({ items: new Never() }, new OwnerWritePolicy());
  const [list, item] = [randomUUID(), randomUUID()];
  await push.push(
    ALICE,
    [
      change('create', 'lists', list, { title: 'a list', cover_item_id: item }),
      change('create', 'items', item, { list_id: list, title: 'its cover' }),
    ],
    { policy },
  );
  expect(await push.db.query('SELECT FROM items WHERE id = $1', [item])).toEqual([]);
});
