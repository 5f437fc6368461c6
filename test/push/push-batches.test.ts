import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushAcceptedEvent } from '../../lib/settings/hook-events.js';
import type { PushChange, PushResult } from '../../lib/engine/push/push-change.js';
import { inTransaction } from '../../lib/database/session.js';
import {
  change,
  fromNow,
  only,
  type PushFixture,
  pushFixture,
  serverVersion,
  sortedIds,
} from '../support/push-fixture.js';
import { ALICE, BOB, DDL, TABLES } from '../support/push-tables.js';

let push: PushFixture;

beforeAll(async () => {
  push = await pushFixture(TABLES, [
    ...DDL,
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not like this'; END $$`,
    `CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW WHEN (NEW.notes = 'raise') EXECUTE FUNCTION refuse()`,
    `CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE SQLSTATE '40001'; END $$`,
    `CREATE TRIGGER cancel BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.notes = 'retry') EXECUTE FUNCTION cancel()`,
  ]);
});
afterAll(() => push.close());

const verdicts = (results: readonly PushResult[]): readonly string[] =>
  results.map(({ status, reason_code }) => (status === 'applied' ? status : `${status} ${reason_code}`));

const newTask = (data: object = {}, id: string = randomUUID()): PushChange =>
  change('create', 'tasks', id, { title: `title ${id}`, ...data });

const insertTask = async (title: string, id: string = randomUUID()): Promise<string> => {
  await push.db.query(
    `INSERT INTO tasks (id, user_id, title, updated_at) VALUES ($1, $2, $3, now() - interval '1 hour')`,
    [id, ALICE, title],
  );
  return id;
};

describe('a record that fails', () => {
  it.each([
    ['a value that the type refuses [W-PUSH-2]', { rank: 1, notes: 'x', title: null }, 'create_failed'],
    ['a check [W-PUSH-2]', { title: 'forbidden' }, 'create_failed'],
    ['a NUL in a text [W-PUSH-2]', { title: 'a\0b' }, 'invalid_data'],
    ['a lone surrogate', { title: 'a\ud800' }, 'invalid_data'],
    ["a trigger's own error", { notes: 'raise' }, 'create_failed'],
  ])('%s costs no other record its place, and gets its own verdict [W-PUSH-1]', async (_, data, reason) => {
    const ids = sortedIds(7);
    const changes = ids.map((id, index) => newTask(index === 3 ? data : {}, id));
    const results = await push.push(ALICE, changes);
    expect(results.map(({ id }) => id)).toEqual(ids);
    expect(verdicts(results)).toEqual([
      'applied',
      'applied',
      'applied',
      `rejected_terminal ${reason}`,
      'applied',
      'applied',
      'applied',
    ]);
    const rows = await push.db.query('SELECT id FROM tasks WHERE id = ANY($1) ORDER BY id', [ids]);
    expect(rows.map(({ id }) => id)).toEqual(ids.filter((_, index) => index !== 3));
  });

  it("gives the device the server's row back [W-PUSH-2]", async () => {
    const id = await insertTask('before');
    const result = await push.pushOne(ALICE, change('update', 'tasks', id, { title: 'forbidden' }));
    expect(verdicts([result])).toEqual(['rejected_terminal update_failed']);
    expect(result.message).toBe('failed to update record');
    expect(serverVersion(result).data).toMatchObject({ title: 'before' });
  });

  it("a reference to a row that isn't there is terminal [W-PUSH-2]", async () => {
    const result = await push.pushOne(
      ALICE,
      change('create', 'seats', randomUUID(), { next_to: randomUUID() }),
    );
    expect(verdicts([result])).toEqual(['rejected_terminal reference_missing']);
  });

  it('an error that may be a lost race fails the transaction once, to be tried again [W-PUSH-2]', async () => {
    const id = randomUUID();
    const changes = [newTask({}, id), newTask({ notes: 'retry' })];
    await expect(
      inTransaction(push.dataSource, 'write', (manager) => push.apply(manager, ALICE, changes)),
    ).rejects.toMatchObject({ driverError: { code: '40001' } });
    expect(await push.db.query('SELECT FROM tasks WHERE id = $1', [id])).toEqual([]);
    expect(verdicts(await push.push(ALICE, changes))).toEqual([
      'applied',
      'rejected_retryable internal_error',
    ]);
  });

  it('scenario: all of a large push may fail, and each gets a verdict [W-PUSH-1]', async () => {
    const changes = sortedIds(40).map((id) => newTask({ title: 'forbidden' }, id));
    expect(new Set(verdicts(await push.push(ALICE, changes)))).toEqual(
      new Set(['rejected_terminal create_failed']),
    );
  });
});

const seat = (place: string): PushChange => change('create', 'seats', randomUUID(), { place });

it("a deferred constraint fails in its record's verdict, not at COMMIT [interleaving 18]", async () => {
  const [first, second, third] = await push.push(ALICE, [seat('a'), seat('a'), seat('b')]);
  expect([first, second, third].map((result) => result?.status)).toEqual([
    'applied',
    'rejected_terminal',
    'applied',
  ]);
});

async function breakReference({ manager }: PushAcceptedEvent): Promise<void> {
  await manager.query('INSERT INTO seats (id, user_id, next_to) VALUES ($1, $2, $3)', [
    randomUUID(),
    ALICE,
    randomUUID(),
  ]);
}

it('a deferred constraint that a hook breaks fails the whole push, and nothing is called applied [interleaving 18]', async () => {
  const id = randomUUID();
  await expect(
    push.push(ALICE, [newTask({}, id)], { hooks: { onPushAccepted: breakReference } }),
  ).rejects.toMatchObject({
    driverError: { code: '23503' },
  });
  expect(await push.db.query('SELECT FROM tasks WHERE id = $1', [id])).toEqual([]);
});

it('a violation of another unique constraint is no conflict of keys [interleaving 19]', async () => {
  const [first, second] = [newTask({ title: 'one name' }), newTask({ title: 'one name' })];
  expect(verdicts(await push.push(ALICE, [first]))).toEqual(['applied']);
  expect(verdicts(await push.push(ALICE, [second]))).toEqual(['rejected_terminal create_failed']);
});

describe('order', () => {
  it('children may come before their parents, and are deleted before them [W-PUSH-14]', async () => {
    const [task, comment, reaction] = [randomUUID(), randomUUID(), randomUUID()];
    const created = await push.push(ALICE, [
      change('create', 'reactions', reaction, { comment_id: comment, emoji: '+' }),
      change('create', 'comments', comment, { task_id: task, body: 'x' }),
      newTask({}, task),
    ]);
    expect(created.map(({ table_name, status }) => `${table_name} ${status}`)).toEqual([
      'reactions applied',
      'comments applied',
      'tasks applied',
    ]);
    const deleted = await push.push(ALICE, [
      change('delete', 'tasks', task),
      change('delete', 'comments', comment),
      change('delete', 'reactions', reaction),
    ]);
    expect(verdicts(deleted)).toEqual(['applied', 'applied', 'applied']);
  });

  it('children of a parent that fails are terminal, the others are written [W-PUSH-14]', async () => {
    const [bad, good] = [randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [
      change('create', 'comments', randomUUID(), { task_id: bad, body: 'x' }),
      change('create', 'comments', randomUUID(), { task_id: good, body: 'x' }),
      newTask({ title: 'forbidden' }, bad),
      newTask({}, good),
    ]);
    expect(verdicts(results)).toEqual([
      'rejected_terminal parent_missing',
      'applied',
      'rejected_terminal create_failed',
      'applied',
    ]);
  });

  it('several changes of one record are applied one after the other [interleaving 15]', async () => {
    const id = randomUUID();
    const base = fromNow(-7_200_000);
    const step = (operation: string, notes: string | null): PushChange =>
      change(operation, 'tasks', id, notes === null ? null : { title: `t ${id}`, notes }, { at: base, base });
    const results = await push.push(ALICE, [
      step('create', 'first'),
      step('update', 'second'),
      step('delete', null),
      step('update', 'too late'),
      step('create', 'third'),
      step('update', 'fourth'),
    ]);
    expect(verdicts(results)).toEqual([
      'applied',
      'applied',
      'applied',
      'conflict record_deleted',
      'applied',
      'applied',
    ]);
    const row = only(await push.db.query('SELECT notes, deleted_at, version FROM tasks WHERE id = $1', [id]));
    expect(row).toEqual({ notes: 'fourth', deleted_at: null, version: 5 });
    const times = results.flatMap(({ server_updated_at }) => Date.parse(server_updated_at ?? '') || []);
    expect(times).toEqual([...new Set(times)].toSorted((a, b) => a - b));
    expect(times).toHaveLength(5);
  });

  it('a rename frees a name for a create of the same push [interleaving 16]', async () => {
    const old = await insertTask('wanted');
    const results = await push.push(ALICE, [
      change('update', 'tasks', old, { title: 'renamed' }),
      newTask({ title: 'wanted' }),
    ]);
    expect(verdicts(results)).toEqual(['applied', 'applied']);
  });

  it('a chain of renames that arrived backwards is tried until nothing more works [interleaving 16]', async () => {
    const [first, second, third] = [
      await insertTask('one'),
      await insertTask('two'),
      await insertTask('three'),
    ];
    const results = await push.push(ALICE, [
      change('update', 'tasks', first, { title: 'two' }),
      change('update', 'tasks', second, { title: 'three' }),
      change('update', 'tasks', third, { title: 'four' }),
    ]);
    expect(verdicts(results)).toEqual(['applied', 'applied', 'applied']);
  });

  it('changes behind one that is tried again wait with it [interleaving 16]', async () => {
    const old = await insertTask('taken');
    const [id, comment] = [randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [
      newTask({ title: 'taken' }, id),
      change('create', 'comments', comment, { task_id: id, body: 'x' }),
      change('update', 'tasks', id, { notes: 'second' }),
      change('update', 'tasks', old, { title: 'given away' }),
    ]);
    expect(verdicts(results)).toEqual(['applied', 'applied', 'applied', 'applied']);
    expect(await push.db.query('SELECT notes FROM tasks WHERE id = $1', [id])).toEqual([{ notes: 'second' }]);
  });

  it('a chain that arrived backwards is tried parents first [interleaving 16]', async () => {
    const old = await insertTask('chained');
    const [task, comment] = [randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [
      change('create', 'reactions', randomUUID(), { comment_id: comment, emoji: '+' }),
      change('create', 'comments', comment, { task_id: task, body: 'x' }),
      newTask({ title: 'chained' }, task),
      change('update', 'tasks', old, { title: 'unchained' }),
    ]);
    expect(verdicts(results)).toEqual(['applied', 'applied', 'applied', 'applied']);
  });
});

it('results come in the order of the changes, and nothing is written for another user', async () => {
  const ids = sortedIds(3).toReversed();
  const results = await push.push(
    BOB,
    ids.map((id) => newTask({}, id)),
  );
  expect(results.map(({ id }) => id)).toEqual(ids);
  const owners = await push.db.query('SELECT DISTINCT user_id FROM tasks WHERE id = ANY($1)', [ids]);
  expect(owners).toEqual([{ user_id: BOB }]);
});

it('an empty push is answered with nothing', async () => {
  expect(await push.push(ALICE, [])).toEqual([]);
});
