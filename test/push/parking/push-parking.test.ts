import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_PARKED } from '../../../lib/engine/push/parking/parking.js';
import type { PushChange, PushResult } from '../../../lib/engine/push/push-change.js';
import { findParkedRow, recordLongParked } from '../../../lib/store/clients/parked-rows.js';
import { inTransaction } from '../../../lib/database/session.js';
import { createTableSql, readOnly } from '../../support/schema-fixtures.js';
import { change, fromNow, only, type PushFixture, pushFixture } from '../../support/push-fixture.js';
import { ALICE, BOB, DDL, TABLES } from '../../support/push-tables.js';

const WEEK_MS = 7 * 24 * 3600_000;

let push: PushFixture;
let task: string;
let comment: string;

beforeAll(async () => {
  const readings = readOnly('readings', {
    pushPolicy: 'owner_only',
    parent: 'tasks',
    parentFkColumn: 'task_id',
    protectedColumns: new Set(['id', 'updated_at', 'deleted_at', 'task_id']),
    depth: 1,
  });
  push = await pushFixture(
    [...TABLES, readings],
    [
      ...DDL,
      createTableSql('readings', 'task_id uuid NOT NULL REFERENCES tasks, n bigint, x numeric, doc jsonb'),
      `ALTER TABLE comments ADD CHECK (body <> 'forbidden')`,
    ],
  );
});
afterAll(() => push.close());
beforeEach(async () => {
  for (const table of ['sync_parked_rows', 'sync_rule_failures']) await push.db.query(`DELETE FROM ${table}`);
  [task, comment] = [randomUUID(), randomUUID()];
});

const newTask = (id: string = task): PushChange => change('create', 'tasks', id, { title: `task ${id}` });
const newComment = (body = 'x', id: string = comment): PushChange =>
  change('create', 'comments', id, { task_id: task, body });
const createdAt = (body: string, at: string): PushChange =>
  change('create', 'comments', comment, { task_id: task, body }, { at });
const newReaction = (id: string, parent: string = comment): PushChange =>
  change('create', 'reactions', id, { comment_id: parent, emoji: '+' });

/** A change without the task's key, as no SDK would send it. */
const newBody = (body: string): PushChange => change('update', 'comments', comment, { body });

const newReading = (): PushChange => change('create', 'readings', randomUUID(), { task_id: task, n: 1 });
const insertTask = (owner: string): Promise<unknown> =>
  push.db.query('INSERT INTO tasks (id, user_id, title) VALUES ($1, $2, $3)', [task, owner, task]);

/** One of two comments can't be written, once the parent comes. */
const failOnRelease = async (): Promise<readonly PushResult[]> => {
  await push.push(ALICE, [newComment('forbidden'), newComment('y', randomUUID())]);
  return push.push(ALICE, [newTask()]);
};

/** A push in a transaction that the test has opened. */
const pushing =
  (...changes: readonly PushChange[]) =>
  (manager: EntityManager): Promise<readonly PushResult[]> =>
    push.apply(manager, ALICE, changes);

const statuses = (results: readonly PushResult[]): readonly string[] =>
  results.map(({ status, reason_code }) => (status === 'applied' ? status : `${status} ${reason_code}`));

const bodies = async (): Promise<readonly unknown[]> =>
  (await push.db.query('SELECT body FROM comments WHERE task_id = $1 ORDER BY body', [task])).map(
    ({ body }) => body,
  );
const parked = async (): Promise<number> => (await push.db.query('SELECT FROM sync_parked_rows')).length;
const openFailures = (): Promise<Record<string, unknown>[]> =>
  push.db.query(
    'SELECT table_name, record_id, operation, error_text FROM sync_rule_failures WHERE resolved_at IS NULL',
  );

describe('a create that comes before its parent', () => {
  it("is answered as applied, and written by the push of any of the user's devices that brings the parent [interleaving 20]", async () => {
    const first = await push.pushOne(ALICE, newComment(), { clientId: 'phone' });
    expect(first).toMatchObject({ accepted: true, status: 'applied', id: comment, operation: 'create' });
    expect([await bodies(), await parked()]).toEqual([[], 1]);
    const second = await push.push(ALICE, [newTask()], { clientId: 'tablet' });
    expect(second.map(({ id, status }) => [id, status])).toEqual([[task, 'applied']]);
    expect([await bodies(), await parked()]).toEqual([['x'], 0]);
  });

  it('gives the device a time of the server that is older than the row will have [interleaving 20]', async () => {
    const { server_updated_at: told } = await push.pushOne(ALICE, newComment());
    await push.push(ALICE, [newTask()]);
    const { earlier } = only(
      await push.db.query('SELECT updated_at > $2::timestamptz AS earlier FROM comments WHERE id = $1', [
        comment,
        told,
      ]),
    );
    expect(earlier).toBe(true);
  });

  it('brings its own children along when it is written', async () => {
    const [reaction, another] = [randomUUID(), randomUUID()];
    await push.push(ALICE, [newReaction(reaction)]);
    await push.push(ALICE, [newReaction(another), newComment()]);
    expect(await parked()).toBe(3);
    expect(statuses(await push.push(ALICE, [newTask()]))).toEqual(['applied']);
    const rows = await push.db.query('SELECT id FROM reactions WHERE comment_id = $1', [comment]);
    expect(new Set(rows.map(({ id }) => id))).toEqual(new Set([reaction, another]));
    expect(await parked()).toBe(0);
  });

  it('is there for a child that comes in the same push as its own parent', async () => {
    await push.push(ALICE, [newComment()]);
    const reaction = randomUUID();
    expect(statuses(await push.push(ALICE, [newReaction(reaction), newTask()]))).toEqual([
      'applied',
      'applied',
    ]);
    expect(await push.db.query('SELECT FROM reactions WHERE id = $1', [reaction])).toHaveLength(1);
    expect(await parked()).toBe(0);
  });

  it('is written when its parent is only created at the second try', async () => {
    await push.push(ALICE, [newComment()]);
    const [other, title] = [randomUUID(), `taken ${task}`];
    await push.push(ALICE, [change('create', 'tasks', other, { title })]);
    const results = await push.push(ALICE, [
      change('create', 'tasks', task, { title }),
      change('update', 'tasks', other, { title: `renamed ${task}` }),
    ]);
    expect(statuses(results)).toEqual(['applied', 'applied']);
    expect([await bodies(), await parked()]).toEqual([['x'], 0]);
  });

  it('is one of many, under several parents', async () => {
    const tasks = Array.from({ length: 5 }, () => randomUUID());
    const orphans = tasks.flatMap((id) =>
      Array.from({ length: 40 }, () =>
        change('create', 'comments', randomUUID(), { task_id: id, body: 'x' }),
      ),
    );
    expect(new Set(statuses(await push.push(ALICE, orphans)))).toEqual(new Set(['applied']));
    await push.push(ALICE, [newTask(), ...tasks.slice(1).map((id) => newTask(id))]);
    expect(await parked()).toBe(40);
    await push.push(
      ALICE,
      tasks.slice(0, 1).map((id) => newTask(id)),
    );
    expect(await parked()).toBe(0);
    const written = await push.db.query('SELECT FROM comments WHERE task_id = ANY($1)', [tasks]);
    expect(written).toHaveLength(200);
  });

  it('keeps 64-bit numbers, long numerics and documents exact', async () => {
    const id = randomUUID();
    const data = `{"task_id":"${task}","n":9223372036854775807,"x":12345678901234567890.123456789,"doc":"{\\"a\\":9007199254740993}"}`;
    await push.push(ALICE, [change('create', 'readings', id, data)]);
    await push.push(ALICE, [newTask()]);
    const row = only(await push.db.query('SELECT n, x, doc::text AS doc FROM readings WHERE id = $1', [id]));
    expect(row).toEqual({
      n: '9223372036854775807',
      x: '12345678901234567890.123456789',
      doc: '{"a": 9007199254740993}',
    });
  });

  it('stays parked when the push that brings the parent is rolled back', async () => {
    await push.push(ALICE, [newComment()]);
    const rolledBack = inTransaction(push.dataSource, 'write', async (manager) => {
      await push.apply(manager, ALICE, [newTask()]);
      throw new Error('a hook');
    });
    await expect(rolledBack).rejects.toThrow('a hook');
    expect([await bodies(), await parked()]).toEqual([[], 1]);
    await push.push(ALICE, [newTask()]);
    expect([await bodies(), await parked()]).toEqual([['x'], 0]);
  });

  it('is not parked under an own parent that is deleted', async () => {
    await push.db.query(`INSERT INTO tasks (id, user_id, title, deleted_at) VALUES ($1, $2, $3, now())`, [
      task,
      ALICE,
      `task ${task}`,
    ]);
    expect(statuses(await push.push(ALICE, [newComment()]))).toEqual(['applied']);
    expect([await bodies(), await parked()]).toEqual([['x'], 0]);
  });

  it('is terminal when its parent fails in the same push', async () => {
    const results = await push.push(ALICE, [
      newComment(),
      newReaction(randomUUID()),
      change('create', 'tasks', task, { title: 'forbidden' }),
    ]);
    expect(statuses(results)).toEqual([
      'rejected_terminal parent_missing',
      'rejected_terminal parent_missing',
      'rejected_terminal create_failed',
    ]);
    expect(await parked()).toBe(0);
  });
});

describe('a later change of a parked record', () => {
  it('is taken into it, in a later push', async () => {
    await push.push(ALICE, [newComment('first')]);
    expect(await push.pushOne(ALICE, newBody('second'))).toMatchObject({
      status: 'applied',
      operation: 'update',
    });
    expect(await parked()).toBe(1);
    await push.push(ALICE, [newTask()]);
    expect(await bodies()).toEqual(['second']);
  });

  it('is taken into it, in the same push', async () => {
    expect(statuses(await push.push(ALICE, [newComment('first'), newBody('second')]))).toEqual([
      'applied',
      'applied',
    ]);
    await push.push(ALICE, [newTask()]);
    expect([await bodies(), await parked()]).toEqual([['second'], 0]);
  });

  it('is taken into it, in the push that brings the parent', async () => {
    await push.push(ALICE, [newComment('first')]);
    expect(statuses(await push.push(ALICE, [newBody('second'), newBody('third'), newTask()]))).toEqual([
      'applied',
      'applied',
      'applied',
    ]);
    expect([await bodies(), await parked()]).toEqual([['third'], 0]);
  });

  it("can't move it to another parent", async () => {
    await push.push(ALICE, [newComment()]);
    await push.push(ALICE, [change('update', 'comments', comment, { task_id: randomUUID(), body: 'y' })]);
    await push.push(ALICE, [newTask()]);
    expect(await bodies()).toEqual(['y']);
  });

  it('writes it when the parent has come by another way', async () => {
    await push.push(ALICE, [newComment('first')]);
    await insertTask(ALICE);
    expect(await push.pushOne(ALICE, newBody('second'))).toMatchObject({ status: 'applied' });
    expect([await bodies(), await parked()]).toEqual([['second'], 0]);
  });

  it.each([
    ['in a later push', true],
    ['in the same push', false],
  ])('that deletes it %s leaves nothing', async (_, isLater) => {
    const gone = change('delete', 'comments', comment);
    if (isLater) await push.push(ALICE, [newComment()]);
    const results = await push.push(ALICE, isLater ? [gone] : [newComment(), gone]);
    expect(new Set(statuses(results))).toEqual(new Set(['applied']));
    await push.push(ALICE, [newTask()]);
    expect([await bodies(), await parked()]).toEqual([[], 0]);
  });

  it('that deletes it in the push that brings the parent leaves nothing', async () => {
    await push.push(ALICE, [newComment()]);
    const results = await push.push(ALICE, [newTask(), change('delete', 'comments', comment)]);
    expect(statuses(results)).toEqual(['applied', 'applied']);
    expect([await bodies(), await parked()]).toEqual([[], 0]);
  });

  it('that creates it again after its delete parks it again', async () => {
    await push.push(ALICE, [newComment('first')]);
    await push.push(ALICE, [change('delete', 'comments', comment), newComment('second')]);
    await push.push(ALICE, [newTask()]);
    expect(await bodies()).toEqual(['second']);
  });

  it('that is the create once more replaces it, unless it is an older copy', async () => {
    await push.push(ALICE, [createdAt('first', '2024-01-01T00:00:01Z')]);
    await push.push(ALICE, [createdAt('second', '2024-01-01T00:00:02Z')]);
    expect(await push.pushOne(ALICE, createdAt('first', '2024-01-01T00:00:01Z'))).toMatchObject({
      status: 'applied',
    });
    expect(await parked()).toBe(1);
    await insertTask(ALICE);
    await push.push(ALICE, [createdAt('first', '2024-01-01T00:00:01Z')]);
    expect(await bodies()).toEqual(['second']);
  });

  it('does not start its time again', async () => {
    await push.push(ALICE, [newComment()]);
    await push.db.query(`UPDATE sync_parked_rows SET created_at = '2024-01-01'`);
    await push.push(ALICE, [newComment('later')]);
    const { since } = only(
      await push.db.query('SELECT created_at::date::text AS since FROM sync_parked_rows'),
    );
    expect(since).toBe('2024-01-01');
  });
});

describe("another user's parent", () => {
  it('that the user can not see is terminal, and nothing is parked under it (scenario 125) [interleaving 20]', async () => {
    await insertTask(BOB);
    const result = await push.pushOne(ALICE, newComment());
    expect(result).toMatchObject({ status: 'rejected_terminal', reason_code: 'parent_missing' });
    expect(result).not.toHaveProperty('server_version');
    expect([await bodies(), await parked()]).toEqual([[], 0]);
  });

  it("doesn't release anything when its own user brings it", async () => {
    await push.push(ALICE, [newComment()]);
    await push.push(BOB, [change('create', 'comments', randomUUID(), { task_id: randomUUID(), body: 'b' })]);
    await push.push(BOB, [newTask()]);
    expect([await bodies(), await parked()]).toEqual([[], 2]);
  });

  it('that the user sees is terminal, also for what was parked before it was seen', async () => {
    await push.push(ALICE, [newComment()]);
    await insertTask(BOB);
    await push.addEdge('tasks', task, 'global');
    const results = await push.push(ALICE, [newComment(), newComment('y', randomUUID())]);
    expect(statuses(results)).toEqual([
      'rejected_terminal ownership_violation',
      'rejected_terminal ownership_violation',
    ]);
    expect([await bodies(), await parked()]).toEqual([[], 0]);
  });

  it('and a record that the other user parked under the same id are nothing to this one', async () => {
    await push.push(ALICE, [newComment('of alice')]);
    await push.push(BOB, [newComment('of bob')]);
    expect(statuses(await push.push(BOB, [change('delete', 'comments', comment)]))).toEqual(['applied']);
    await push.push(ALICE, [newTask()]);
    expect(await bodies()).toEqual(['of alice']);
  });
});

describe('two pushes of one user at once', () => {
  /** Creates in a table that has children itself take the lock first; others when they miss their parent. */
  const children: readonly (readonly [string, object])[] = [
    ['comments', { body: 'x' }],
    ['readings', { n: 1 }],
  ];
  describe.each(children)('one of which creates one of the %s', (table, data) => {
    const newChild = (values: object = data, at?: string): PushChange =>
      change('create', table, comment, { task_id: task, ...values }, { at });
    const written = async (): Promise<number> =>
      (await push.db.query(`SELECT FROM ${table} WHERE task_id = $1`, [task])).length;

    it('leave no child behind when the parent comes while the child is being parked', async () => {
      await push.whileOpen(pushing(newChild()), () => push.push(ALICE, [newTask()]));
      expect([await written(), await parked()]).toEqual([1, 0]);
    });

    it('leave no child behind when it comes while the parent is being written', async () => {
      const results = await push.whileOpen(pushing(newTask()), () => push.push(ALICE, [newChild()]));
      expect(statuses(results)).toEqual(['applied']);
      expect([await written(), await parked()]).toEqual([1, 0]);
    });

    it('park a record once that both create, as it was created later', async () => {
      const later = newChild(data, fromNow(0));
      const earlier = newChild({}, fromNow(-1000));
      const results = await push.whileOpen(pushing(later), () => push.push(ALICE, [earlier]));
      expect(statuses(results)).toEqual(['applied']);
      const row = only(await push.db.query('SELECT change FROM sync_parked_rows'));
      expect(JSON.parse(row['change'])).toEqual({ task_id: task, ...data });
    });
  });

  it('write a parked record once when both bring the parent', async () => {
    await push.push(ALICE, [newComment()]);
    await push.whileOpen(pushing(newTask()), () => push.push(ALICE, [newTask(), newComment()]));
    expect([await bodies(), await parked()]).toEqual([['x'], 0]);
  });

  it('lose no change of a record that is just being released', async () => {
    await push.push(ALICE, [newComment('first')]);
    const results = await push.whileOpen(pushing(newTask()), () => push.push(ALICE, [newBody('second')]));
    expect(statuses(results)).toEqual(['applied']);
    expect([await bodies(), await parked()]).toEqual([['second'], 0]);
  });

  it("don't wait for each other where no parent is missing or brought", async () => {
    await push.push(ALICE, [newTask()]);
    await inTransaction(push.dataSource, 'write', async (manager) => {
      await push.apply(manager, ALICE, [newReading()]);
      await inTransaction(push.dataSource, 'write', async (other) => {
        await other.query(`SET LOCAL lock_timeout = '1s'`);
        expect(statuses(await push.apply(other, ALICE, [newReading()]))).toEqual(['applied']);
      });
    });
  });
});

describe('a parked record that fails when its parent comes', () => {
  it('costs the push nothing, stays parked, and is recorded for an operator', async () => {
    expect(statuses(await failOnRelease())).toEqual(['applied']);
    expect([await bodies(), await parked()]).toEqual([['y'], 1]);
    expect(await openFailures()).toEqual([
      {
        table_name: 'comments',
        record_id: comment,
        operation: 1,
        error_text: expect.stringMatching(/create of comments\/.*: SQLSTATE 23514 .*check constraint/),
      },
    ]);
  });

  it('is not tried again by other pushes, nor by the WAL consumer', async () => {
    await failOnRelease();
    await push.push(ALICE, [newTask(randomUUID()), change('update', 'tasks', task, { notes: 'x' })]);
    const rows = await push.db.query(
      `SELECT attempts, retry_at = 'infinity' AS never FROM sync_rule_failures WHERE resolved_at IS NULL`,
    );
    expect(rows).toEqual([{ attempts: 1, never: true }]);
  });

  it('leaves a bucket rule of that record that failed to be retried by the WAL consumer', async () => {
    await push.db.query(
      `INSERT INTO sync_rule_failures (table_name, record_id, operation, error_text, retry_at)
       VALUES ('comments', $1, 1, 'the rule failed', now())`,
      [comment],
    );
    await failOnRelease();
    const rows = await push.db.query(
      `SELECT error_text, isfinite(retry_at) AS retried FROM sync_rule_failures WHERE resolved_at IS NULL`,
    );
    expect(rows).toEqual([{ error_text: 'the rule failed', retried: true }]);
  });

  it('has its time whatever the settings of the session are that asks for it', async () => {
    await push.push(ALICE, [createdAt('x', '2024-05-06T07:08:09.123456Z')]);
    const row = await inTransaction(push.dataSource, 'read', async (manager) => {
      await manager.query(`SET LOCAL DateStyle = 'German'; SET LOCAL TimeZone = 'Asia/Kathmandu'`);
      return findParkedRow(manager, ALICE, { table: 'comments', recordId: comment });
    });
    expect(row?.clientUpdatedAt).toBe('2024-05-06T07:08:09.123456Z');
  });

  it('is fixed by the change that corrects it', async () => {
    await failOnRelease();
    expect(statuses(await push.push(ALICE, [newBody('still forbidden'), newBody('forbidden')]))).toEqual([
      'applied',
      'rejected_terminal update_failed',
    ]);
    expect([await bodies(), await parked(), await openFailures()]).toEqual([['still forbidden', 'y'], 0, []]);
  });

  it('keeps what is changed in it as long as that does not correct it', async () => {
    await failOnRelease();
    const results = await push.push(ALICE, [newComment('forbidden')]);
    expect(statuses(results)).toEqual(['applied']);
    expect(await parked()).toBe(1);
    expect(await push.db.query('SELECT attempts FROM sync_rule_failures')).toEqual([{ attempts: 2 }]);
  });

  it('is closed by its delete', async () => {
    await failOnRelease();
    await push.push(ALICE, [change('delete', 'comments', comment)]);
    expect([await parked(), await openFailures()]).toEqual([0, []]);
  });

  it("because its id is another user's is recorded, too", async () => {
    const other = randomUUID();
    await push.push(ALICE, [newComment()]);
    await push.push(BOB, [
      newTask(other),
      change('create', 'comments', comment, { task_id: other, body: 'b' }),
    ]);
    expect(statuses(await push.push(ALICE, [newTask()]))).toEqual(['applied']);
    expect(await parked()).toBe(1);
    expect(only(await openFailures())['error_text']).toContain('ownership_violation');
    expect(await push.db.query('SELECT body FROM comments WHERE id = $1', [comment])).toEqual([
      { body: 'b' },
    ]);
  });

  it('because its table is not synced any more is recorded, and costs the push nothing', async () => {
    await push.push(ALICE, [newComment()]);
    await push.db.query(`UPDATE sync_parked_rows SET table_name = 'gone'`);
    expect(statuses(await push.push(ALICE, [newTask()]))).toEqual(['applied']);
    expect(await openFailures()).toMatchObject([
      { table_name: 'gone', error_text: expect.stringContaining('not registered') },
    ]);
  });
});

describe('the bounds of parking', () => {
  it('a user who has parked very much is to send further ones again, and no other changes', async () => {
    await push.db.query(
      `INSERT INTO sync_parked_rows (user_id, client_id, table_name, record_id, parent_table, parent_id, change, client_updated_at)
       SELECT $1, 'device-1', 'comments', gen_random_uuid(), 'tasks', gen_random_uuid(), '{}', now()
         FROM generate_series(1, $2)`,
      [ALICE, MAX_PARKED.rows - 1],
    );
    const other = randomUUID();
    const results = await push.push(ALICE, [newComment(), newComment('y', other), newTask(randomUUID())]);
    expect(statuses(results)).toEqual(['applied', 'rejected_retryable parent_missing', 'applied']);
    // What is parked already takes no more room.
    expect(statuses(await push.push(ALICE, [newBody('z')]))).toEqual(['applied']);
    expect(statuses(await push.push(BOB, [newComment()]))).toEqual(['applied']);
    expect(await parked()).toBe(MAX_PARKED.rows + 1);
  });

  it('a row that waits for over a week becomes a failure for an operator, once, and is written all the same [interleaving 20]', async () => {
    await push.push(ALICE, [newComment(), newComment('y', randomUUID())]);
    await push.db.query(
      `UPDATE sync_parked_rows SET created_at = now() - interval '8 days' WHERE record_id = $1`,
      [comment],
    );
    const record = (): Promise<number> =>
      inTransaction(push.dataSource, 'write', (manager) => recordLongParked(manager, WEEK_MS));
    expect(await record()).toBe(1);
    expect(await record()).toBe(0);
    expect(await openFailures()).toEqual([
      {
        table_name: 'comments',
        record_id: comment,
        operation: 1,
        error_text: expect.stringContaining(`user ${ALICE} has waited`),
      },
    ]);
    expect(await parked()).toBe(2);
    await push.push(ALICE, [newTask()]);
    expect([await bodies(), await parked(), await openFailures()]).toEqual([['x', 'y'], 0, []]);
  });
});
