import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ConflictEvent } from '../../lib/settings/hook-events.js';
import type { EntityManager } from 'typeorm';
import type { Conflict, Resolution } from '../../lib/settings/conflict.js';
import { ConflictResolver, ServerWinsResolver } from '../../lib/resolvers/conflict-resolver.js';
import {
  change,
  fromNow,
  only,
  type PushFixture,
  pushFixture,
  serverVersion,
} from '../support/push-fixture.js';
import { ALICE, BOB, DDL, TABLES } from '../support/push-tables.js';

let push: PushFixture;
let id: string;

beforeAll(async () => {
  push = await pushFixture(TABLES, DDL);
});
afterAll(() => push.close());
beforeEach(() => {
  id = randomUUID();
});

const task = async (): Promise<Record<string, unknown>> =>
  only(await push.db.query('SELECT *, updated_at::text AS at FROM tasks WHERE id = $1', [id]));

const insertTask = (title: string, updatedAt = 'now()', deletedAt = 'NULL'): Promise<unknown> =>
  push.db.query(
    `INSERT INTO tasks (id, user_id, title, updated_at, deleted_at) VALUES ($1, $2, $3, ${updatedAt}, ${deletedAt})`,
    [id, ALICE, title],
  );

/** `pg` makes a Date of a timestamp. */
const millis = (value: unknown): number => (value instanceof Date ? value.getTime() : NaN);

describe('a change that can be judged without its row', () => {
  it.each([
    [
      'an unknown table',
      change('create', 'nothing', 'x', {}),
      'table_not_registered',
      'table not registered for sync',
    ],
    [
      'scenario 118: a read-only table',
      change('create', 'categories', 'x', {}),
      'table_read_only',
      'table is read-only',
    ],
    [
      'a read-only table before the operation',
      change('upsert', 'categories', 'x'),
      'table_read_only',
      'table is read-only',
    ],
    [
      'another operation',
      change('CREATE', 'tasks', 'x', {}),
      'invalid_operation',
      'unknown operation: CREATE',
    ],
    [
      'a create without data [W-PUSH-15]',
      change('create', 'tasks', randomUUID()),
      'invalid_data',
      'invalid data format',
    ],
    [
      'a create with data that is no object',
      change('create', 'tasks', randomUUID(), '[1]'),
      'invalid_data',
      'invalid data format',
    ],
    [
      'a create whose id is no uuid',
      change('create', 'tasks', 'x', { title: 'x' }),
      'invalid_data',
      'invalid data format: column "id"',
    ],
    [
      'an update whose id is no uuid',
      change('update', 'tasks', "' OR 1", {}),
      'record_not_found',
      'record not found',
    ],
    [
      'a delete whose id is out of range',
      change('delete', 'counters', '99999999999999999999'),
      'record_not_found',
      'record not found or not accessible',
    ],
    ['an id with a NUL', change('update', 'notes', 'a\0', {}), 'record_not_found', 'record not found'],
  ])('%s is rejected for good', async (_, pushed, reason_code, message) => {
    expect(await push.pushOne(ALICE, pushed)).toEqual({
      accepted: false,
      id: pushed.id,
      table_name: pushed.table_name,
      operation: pushed.operation,
      status: 'rejected_terminal',
      reason_code,
      message,
    });
  });

  it('a change with other keys altogether gets a verdict with empty strings', async () => {
    const nothing = undefined;
    const malformed = {
      id: nothing,
      table_name: nothing,
      operation: 'create',
      data: {},
      client_updated_at: 5,
      base_updated_at: [],
    };
    const [bad, good] = await push.push(ALICE, [
      malformed,
      change('create', 'tasks', id, { title: `t ${id}` }),
    ]);
    expect(bad).toMatchObject({
      id: '',
      table_name: '',
      operation: 'create',
      reason_code: 'table_not_registered',
    });
    expect(good).toMatchObject({ accepted: true });
  });

  it('changes beyond the limit are to be sent again [W-PUSH-21]', async () => {
    const changes = [1, 2, 3].map((n) => change('create', 'counters', `30${n}`, { n }));
    const results = await push.push(ALICE, changes, { maxPushChanges: 2 });
    expect(results.map(({ status }) => status)).toEqual(['applied', 'applied', 'rejected_retryable']);
  });
});

describe('create', () => {
  it('is applied with the time of the row, in whole milliseconds [interleaving 13]', async () => {
    const result = await push.pushOne(
      ALICE,
      change('create', 'tasks', id, { title: `new ${id}`, notes: null }),
    );
    expect(result).toEqual({
      accepted: true,
      id,
      table_name: 'tasks',
      operation: 'create',
      status: 'applied',
      // The server made up a code, so the device has to take the row over.
      server_updated_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/),
    });
    expect((await task())['at']).toMatch(/:\d\d(\.\d{1,3})?\+\d\d$/);
  });

  it("scenario 116: owner and times are the server's, whatever the client says", async () => {
    const fake = '2000-01-01T00:00:00Z';
    const data = {
      id: BOB,
      title: `mine ${id}`,
      user_id: BOB,
      created_at: fake,
      updated_at: fake,
      deleted_at: fake,
    };
    expect((await push.pushOne(ALICE, change('create', 'tasks', id, data))).accepted).toBe(true);
    const row = await task();
    expect(row).toMatchObject({ user_id: ALICE, deleted_at: null, version: 1, rank: 7 });
    expect(new Date(String(row['created_at'])).getFullYear()).toBeGreaterThan(2000);
  });

  it('protected, hidden and unknown columns are dropped [W-PUSH-20]', async () => {
    const data = { title: `t ${id}`, rank: 1, secret: 'x', version: 9, shout: 'x', nothing: 1, 'x"; --': 2 };
    expect((await push.pushOne(ALICE, change('create', 'tasks', id, data))).accepted).toBe(true);
    expect(await task()).toMatchObject({
      rank: 7,
      secret: 'hidden',
      version: 1,
      shout: `T ${id.toUpperCase()}`,
    });
  });

  it('scenario 28: of no columns at all writes the key and the owner', async () => {
    expect((await push.pushOne(ALICE, change('create', 'files', id, {}))).accepted).toBe(true);
    expect(await push.db.query('SELECT user_id, task_id, name FROM files WHERE id = $1', [id])).toEqual([
      { user_id: ALICE, task_id: null, name: null },
    ]);
  });

  it('null in a column that has a default and refuses null means the default [W-DATA-8]', async () => {
    expect(
      await push.pushOne(ALICE, change('create', 'tasks', id, { title: `t ${id}`, code: null })),
    ).toMatchObject({
      accepted: true,
    });
    expect(String((await task())['code'])).toHaveLength(32);
  });

  it('the retry of a create is applied, with the time of the row [W-PUSH-11]', async () => {
    const pushed = change(
      'create',
      'tasks',
      id,
      { title: `again ${id}`, created_at: '2001-01-01' },
      { at: '2001-01-01' },
    );
    const first = await push.pushOne(ALICE, pushed);
    expect(await push.pushOne(ALICE, pushed)).toEqual(first);
    expect(await task()).toMatchObject({ version: 1 });
  });

  it('on a live row with other content it is an update that the later time decides [W-PUSH-11]', async () => {
    await insertTask(`a ${id}`, `now() - interval '1 hour'`);
    const older = change('create', 'tasks', id, { title: `b ${id}` }, { at: fromNow(-7_200_000) });
    const result = await push.pushOne(ALICE, older);
    expect(result).toMatchObject({
      status: 'conflict',
      reason_code: 'record_exists',
      message: 'record already exists',
    });
    expect(serverVersion(result)).toMatchObject({ id, table_name: 'tasks', data: { title: `a ${id}` } });
    expect(serverVersion(result)).not.toHaveProperty('deleted_at');
    const newer = change('create', 'tasks', id, { title: `b ${id}` }, { at: fromNow(-60_000) });
    expect(await push.pushOne(ALICE, newer)).toMatchObject({ status: 'applied' });
    expect(await task()).toMatchObject({ title: `b ${id}` });
  });

  it('scenario 117: on an own deleted row it restores it, through the conflict resolver', async () => {
    await insertTask(`gone ${id}`, `now() - interval '1 hour'`, 'now()');
    const older = change('create', 'tasks', id, { title: `b ${id}` }, { at: fromNow(-7_200_000) });
    const lost = await push.pushOne(ALICE, older);
    expect(lost).toMatchObject({
      status: 'conflict',
      reason_code: 'server_won_conflict',
      message: 'server version is newer',
    });
    expect(serverVersion(lost)).toHaveProperty('deleted_at');
    const newer = change('create', 'tasks', id, { title: `b ${id}` }, { at: fromNow(-60_000) });
    expect(await push.pushOne(ALICE, newer)).toMatchObject({ status: 'applied' });
    expect(await task()).toMatchObject({ title: `b ${id}`, deleted_at: null });
  });
});

describe('update', () => {
  it('writes what is not protected, moves updated_at and the version [W-PUSH-8]', async () => {
    await insertTask(`a ${id}`, `'2020-01-01'`);
    const result = await push.pushOne(
      ALICE,
      change('update', 'tasks', id, { title: `b ${id}`, rank: 7, secret: 'x' }),
    );
    expect(result).toMatchObject({ accepted: true, status: 'applied', operation: 'update' });
    const row = await task();
    expect(row).toMatchObject({ title: `b ${id}`, version: 2, secret: 'hidden' });
    expect(Date.parse(result.server_updated_at ?? '')).toBe(millis(row['updated_at']));
    expect(Date.parse(result.server_updated_at ?? '')).toBeGreaterThan(Date.parse('2021-01-01'));
  });

  it('moves updated_at forward by a millisecond when the row is ahead of the clock [interleaving 13]', async () => {
    await insertTask(`a ${id}`, `'2100-01-01T00:00:00.000001Z'`);
    const pushed = change('update', 'tasks', id, { title: `b ${id}` }, { base: '2100-01-01T00:00:00.000Z' });
    expect((await push.pushOne(ALICE, pushed)).server_updated_at).toBe('2100-01-01T00:00:00.002Z');
    const again = change('update', 'tasks', id, { title: `c ${id}` }, { base: '2100-01-01T00:00:00.002Z' });
    expect((await push.pushOne(ALICE, again)).server_updated_at).toBe('2100-01-01T00:00:00.003Z');
  });

  it('moves a column of whole seconds forward by a second [interleaving 13]', async () => {
    await push.db.query(`INSERT INTO counters VALUES (400, $1, 1, '2100-01-01T00:00:00Z')`, [ALICE]);
    const pushed = change('update', 'counters', '400', { n: 2 }, { base: '2100-01-01T00:00:00Z' });
    expect((await push.pushOne(ALICE, pushed)).server_updated_at).toBe('2100-01-01T00:00:01Z');
  });

  it('of a missing row is terminal', async () => {
    expect(await push.pushOne(ALICE, change('update', 'tasks', id, { title: 'x' }))).toMatchObject({
      status: 'rejected_terminal',
      reason_code: 'record_not_found',
      message: 'record not found',
    });
  });

  it('of a deleted row is a conflict that has the deletion', async () => {
    await insertTask(`a ${id}`, 'now()', `'2024-05-06 07:08:09.123'`);
    const result = await push.pushOne(ALICE, change('update', 'tasks', id, { title: 'x' }));
    expect(result).toMatchObject({
      status: 'conflict',
      reason_code: 'record_deleted',
      message: 'record is deleted',
    });
    expect(serverVersion(result)['deleted_at']).toBe('2024-05-06T07:08:09.123Z');
  });

  it("that loses is a conflict with the server's version, of the columns that clients see [W-PUSH-7]", async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09.123456'`);
    const result = await push.pushOne(
      ALICE,
      change('update', 'tasks', id, { title: 'x' }, { at: '2024-01-01' }),
    );
    expect(result).toMatchObject({
      accepted: false,
      status: 'conflict',
      reason_code: 'server_won_conflict',
      message: 'server version is newer',
    });
    const version = serverVersion(result);
    expect(version).toMatchObject({ id, table_name: 'tasks', updated_at: '2024-05-06T07:08:09.123456Z' });
    expect(Object.keys(version.data).toSorted()).toEqual([
      'code',
      'created_at',
      'deleted_at',
      'id',
      'notes',
      'rank',
      'shout',
      'title',
      'updated_at',
      'user_id',
      'version',
    ]);
  });

  it('that is already in place is applied with the time of the row, and writes nothing [W-PUSH-12]', async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09.5'`);
    const pushed = change(
      'update',
      'tasks',
      id,
      { title: `a ${id}`, user_id: ALICE },
      { at: '2020-01-01', base: '2020-01-01' },
    );
    expect(await push.pushOne(ALICE, pushed)).toMatchObject({
      accepted: true,
      server_updated_at: '2024-05-06T07:08:09.5Z',
    });
    expect(await task()).toMatchObject({ version: 1 });
  });

  it.each([
    ['the owner', { user_id: BOB }],
    ['a column that the host protects', { rank: 99 }],
    ['a computed column', { shout: 'x' }],
  ])(
    'of %s leaves the device with an older time than the row, so that it is repaired [W-PUSH-13]',
    async (_, data) => {
      await insertTask(`a ${id}`);
      const result = await push.pushOne(ALICE, change('update', 'tasks', id, { title: `b ${id}`, ...data }));
      expect(result.accepted).toBe(true);
      const row = await task();
      expect(row).toMatchObject({ title: `b ${id}`, user_id: ALICE, rank: 7 });
      expect(Date.parse(result.server_updated_at ?? '')).toBe(millis(row['updated_at']) - 1);
    },
  );

  it('of its own created_at is no reason for a repair, which would overwrite what is typed meanwhile [W-PUSH-13]', async () => {
    await insertTask(`a ${id}`);
    const data = { title: `b ${id}`, created_at: '2001-01-01T00:00:00Z' };
    const result = await push.pushOne(ALICE, change('update', 'tasks', id, data));
    const row = await task();
    expect(Date.parse(result.server_updated_at ?? '')).toBe(millis(row['updated_at']));
    expect(new Date(String(row['created_at'])).getFullYear()).toBeGreaterThan(2001);
  });

  it('of the parent key alone is no retry, and moves the row on for the repair [W-PUSH-13]', async () => {
    const comment = randomUUID();
    await insertTask(`a ${id}`);
    await push.db.query(
      `INSERT INTO comments (id, task_id, body, updated_at) VALUES ($1, $2, 'x', '2024-01-01')`,
      [comment, id],
    );
    const moved = change(
      'update',
      'comments',
      comment,
      { task_id: randomUUID(), body: 'x' },
      { base: '2023-01-01' },
    );
    const result = await push.pushOne(ALICE, moved);
    const [row] = await push.db.query('SELECT task_id, updated_at FROM comments WHERE id = $1', [comment]);
    expect(row).toMatchObject({ task_id: id });
    expect(Date.parse(result.server_updated_at ?? '')).toBe(millis(row?.['updated_at']) - 1);
  });

  it('scenario 27: of nothing but protected columns is applied without a time, and writes nothing', async () => {
    await insertTask(`a ${id}`);
    const result = await push.pushOne(ALICE, change('update', 'tasks', id, { user_id: BOB, version: 5 }));
    expect(result).toEqual({
      accepted: true,
      id,
      table_name: 'tasks',
      operation: 'update',
      status: 'applied',
    });
    expect(await task()).toMatchObject({ version: 1 });
  });

  it('with data that is no object is judged first, then terminal, and gives the device its row back', async () => {
    await insertTask(`a ${id}`, `'2024-01-01'`);
    expect(
      await push.pushOne(ALICE, change('update', 'tasks', id, '"x"', { at: '2020-01-01' })),
    ).toMatchObject({
      reason_code: 'server_won_conflict',
    });
    const result = await push.pushOne(ALICE, change('update', 'tasks', id, null));
    expect(result).toMatchObject({ status: 'rejected_terminal', reason_code: 'invalid_data' });
    expect(serverVersion(result).data).toMatchObject({ title: `a ${id}` });
  });
});

describe('delete', () => {
  it('is applied with its time, moves updated_at too, and needs no data [W-PUSH-8]', async () => {
    await insertTask(`a ${id}`, `'2024-01-01'`);
    const result = await push.pushOne(
      ALICE,
      change('delete', 'tasks', id, { title: 'ignored' }, { at: null }),
    );
    const row = await task();
    expect(result).toMatchObject({ accepted: true, status: 'applied' });
    expect(result.server_deleted_at).toMatch(/^\d{4}-.*Z$/);
    expect(Date.parse(result.server_deleted_at ?? '')).toBe(millis(row['deleted_at']));
    expect(Date.parse(result.server_updated_at ?? '')).toBe(millis(row['updated_at']));
    expect(row).toMatchObject({ title: `a ${id}`, version: 2 });
  });

  it('again is applied as already deleted', async () => {
    await insertTask(`a ${id}`, 'now()', 'now()');
    expect(await push.pushOne(ALICE, change('delete', 'tasks', id))).toEqual({
      accepted: true,
      id,
      table_name: 'tasks',
      operation: 'delete',
      status: 'applied',
      reason_code: 'already_deleted',
      message: 'record already deleted',
    });
  });

  it('of a missing row is terminal', async () => {
    expect(await push.pushOne(ALICE, change('delete', 'tasks', id))).toMatchObject({
      status: 'rejected_terminal',
      reason_code: 'record_not_found',
      message: 'record not found or not accessible',
    });
  });
});

describe('times', () => {
  it.each([
    ["SQLite's", '2024-05-06 07:08:10'],
    ['with an offset', '2024-05-06T09:08:10+02:00'],
    ['unreadable, meaning now', 'yesterday'],
  ])('a client time %s is understood [W-PUSH-16]', async (_, at) => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09'`);
    expect(
      (await push.pushOne(ALICE, change('update', 'tasks', id, { title: `b ${id}` }, { at }))).accepted,
    ).toBe(true);
  });

  it.each([
    ["SQLite's", '2024-05-06 07:00:00'],
    ['with an offset', '2024-05-06T09:00:00+02:00'],
  ])('a client time %s loses where it is earlier [W-PUSH-16]', async (_, at) => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09'`);
    const pushed = change('update', 'tasks', id, { title: `b ${id}` }, { at });
    expect((await push.pushOne(ALICE, pushed)).status).toBe('conflict');
  });

  it('a missing client time loses', async () => {
    await insertTask(`a ${id}`, `'1970-01-01'`);
    expect(
      await push.pushOne(ALICE, change('update', 'tasks', id, { title: 'b' }, { at: null })),
    ).toMatchObject({
      status: 'conflict',
    });
  });

  it("an unreadable base is none, one of SQLite's form is one [W-PUSH-16]", async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09'`);
    const data = { title: `b ${id}` };
    const pushWith = (base: string): Promise<{ readonly status: string }> =>
      push.pushOne(ALICE, change('update', 'tasks', id, data, { at: '2020-01-01', base }));
    expect((await pushWith('not a time')).status).toBe('conflict');
    expect((await pushWith('2024-05-06 07:08:09')).status).toBe('applied');
  });

  it("a base of Swift's, cut to milliseconds, is the version of microseconds [W-PUSH-17]", async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09.123456'`);
    const pushed = change(
      'update',
      'tasks',
      id,
      { title: `b ${id}` },
      { at: '2020-01-01', base: '2024-05-06T07:08:09.123Z' },
    );
    expect((await push.pushOne(ALICE, pushed)).accepted).toBe(true);
  });

  it('a client time far ahead counts as now plus the tolerance [W-PUSH-17]', async () => {
    await insertTask(`a ${id}`, `now() + interval '1 minute'`);
    const pushed = change('update', 'tasks', id, { title: 'b' }, { at: '2999-01-01T00:00:00Z' });
    expect((await push.pushOne(ALICE, pushed)).status).toBe('conflict');
  });

  it('scenario 139: the tolerance lets a client win whose clock is a little behind', async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09'`);
    const pushAt = (at: string): Promise<{ readonly accepted: boolean }> =>
      push.pushOne(ALICE, change('update', 'tasks', id, { title: `b ${id}` }, { at }), {
        clockSkewTolerance: 1000,
      });
    expect((await pushAt('2024-05-06T07:08:04Z')).accepted).toBe(false);
    expect((await pushAt('2024-05-06T07:08:08.5Z')).accepted).toBe(true);
  });

  it('a base ahead of the server is left to the later time, too [interleaving 14]', async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09'`);
    const base = '2024-05-06T07:08:30Z';
    const pushAt = (at: string): Promise<{ readonly accepted: boolean }> =>
      push.pushOne(ALICE, change('update', 'tasks', id, { title: `b ${id}` }, { at, base }));
    expect((await pushAt('2024-05-06T07:08:00Z')).accepted).toBe(false);
    expect((await pushAt('2024-05-06T07:09:00Z')).accepted).toBe(true);
  });
});

describe('the conflict resolver', () => {
  it('gets both versions as exact JSON text', async () => {
    await push.db.query(`INSERT INTO counters VALUES (500, $1, 9007199254740993, '2024-01-01')`, [ALICE]);
    const asked: Conflict[] = [];
    class Asking extends ConflictResolver {
      override resolve(conflict: Conflict): { winner: 'server'; reason: string } {
        asked.push(conflict);
        return { winner: 'server', reason: 'because' };
      }
    }
    const pushed = change('update', 'counters', '500', '{"n":9007199254740995}', {
      at: '2024-02-01',
      base: '2023-01-01',
    });
    expect(await push.pushOne(ALICE, pushed, { resolver: new Asking() })).toMatchObject({
      message: 'because',
    });
    expect(asked).toEqual([
      {
        table: 'counters',
        recordId: '500',
        clientId: 'device-1',
        userId: ALICE,
        clientData: '{"n":9007199254740995}',
        serverData: expect.stringContaining('"n":9007199254740993'),
        clientTime: '2024-02-01T00:00:00Z',
        serverTime: '2024-01-01T00:00:00Z',
        baseVersion: '2023-01-01',
      },
    ]);
  });

  it('scenario 92: the server wins even against its own version when the resolver says so', async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09'`);
    const pushed = change('update', 'tasks', id, { title: 'b' }, { base: '2024-05-06T07:08:09Z' });
    expect(await push.pushOne(ALICE, pushed, { resolver: new ServerWinsResolver() })).toMatchObject({
      status: 'conflict',
      message: 'server always wins',
    });
  });

  it('that throws costs its own record only, which is to be sent again', async () => {
    await insertTask(`a ${id}`);
    class Throwing extends ConflictResolver {
      override resolve(): never {
        throw new Error('no');
      }
    }
    const other = randomUUID();
    const results = await push.push(
      ALICE,
      [
        change('update', 'tasks', id, { title: 'b' }),
        change('create', 'tasks', other, { title: `b ${other}` }),
      ],
      { resolver: new Throwing() },
    );
    expect(results.map(({ status, reason_code }) => reason_code ?? status)).toEqual([
      'internal_error',
      'applied',
    ]);
  });

  it('that fails in SQL costs its own record only, though it asks in the transaction of the push', async () => {
    const rows = [id, randomUUID(), randomUUID()];
    for (const row of rows) {
      id = row;
      await insertTask(`a ${row}`);
    }
    class Asking extends ConflictResolver {
      override async resolve({ recordId }: Conflict, manager: EntityManager): Promise<Resolution> {
        const ask = manager.query(recordId === rows[0] ? 'SELECT 1 / 0' : 'SELECT 1');
        if (recordId === rows[1]) await manager.query('SELECT 1 / 0').catch(() => undefined);
        await ask;
        return { winner: 'client', reason: 'it was asked' };
      }
    }
    const changes = rows.map((row) => change('update', 'tasks', row, { title: `b ${row}` }));
    const results = await push.push(ALICE, changes, { resolver: new Asking() });
    expect(results.map(({ reason_code, status }) => reason_code ?? status)).toEqual([
      'internal_error',
      'applied',
      'applied',
    ]);
    const found = await push.db.query('SELECT title FROM tasks WHERE id = ANY($1)', [rows]);
    expect(new Set(found.map(({ title }) => title))).toEqual(
      new Set([`a ${rows[0]}`, `b ${rows[1]}`, `b ${rows[2]}`]),
    );
  });

  it('the host gets true conflicts only [W-PUSH-19]', async () => {
    await insertTask(`a ${id}`, `'2024-05-06 07:08:09'`);
    const told: string[] = [];
    const onConflict = ({ resolution }: ConflictEvent): void => void told.push(resolution.reason);
    const update = (title: string, base: string): ReturnType<PushFixture['pushOne']> =>
      push.pushOne(ALICE, change('update', 'tasks', id, { title: `${title} ${id}` }, { base }), {
        hooks: { onConflict },
      });
    const { server_updated_at } = await update('b', '2024-05-06T07:08:09Z');
    expect(server_updated_at).toBeDefined();
    expect(told).toEqual([]);
    await update('c', '2024-05-06T07:08:09Z');
    expect(told).toEqual(['client timestamp newer (LWW with base)']);
  });
});
