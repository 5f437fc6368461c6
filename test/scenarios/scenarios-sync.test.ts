import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { only } from '../support/push-fixture.js';
import { insertTask, insertTasks, retitle } from '../support/sample-rows.js';
import { logOf } from '../support/wal-app.js';
import type { PushChange, PushResult } from '../support/wire.js';

/** The reference's scenarios of pushes and pulls that go through all of sync: HTTP, WAL and back. */
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string;

let database: TestDatabase;
let app: RunningApp;
let user: string;
let phone: Device;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
});

beforeEach(async () => {
  user = `user-${randomUUID()}`;
  phone = new Device(app.url, user);
  await phone.start();
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

async function accepted(change: PushChange): Promise<PushResult> {
  const { accepted: results, rejected } = await phone.push([change]);
  expect(rejected).toEqual([]);
  return only(results);
}

function creation(id: string, title: string): PushChange {
  return { id, table_name: 'tasks', operation: 'create', data: { title, user_id: user } };
}

it('[scenario 113] a row that is pushed, changed and deleted comes back by pulls, step by step', async () => {
  for (let time = 0; time < 4; time++) {
    const pages = await phone.snapshot();
    expect(pages.at(-1)).toMatchObject({ has_more: false, checkpoint: phone.checkpoint });
    expect((await phone.pullPage()).snapshot_required).toBeUndefined();
  }
  const start = phone.checkpoint;
  const id = randomUUID();
  expect((await accepted(creation(id, 'first'))).server_updated_at).toEqual(TIME);
  await consumed(database);
  expect(await logOf(database, 'tasks', id)).toEqual([`create user:${user}`]);
  const first = await phone.pullPage({ checkpoint: start });
  expect(first).toMatchObject({ changes: [{ id, data: { title: 'first' } }], deletes: [] });

  const update = { id, table_name: 'tasks', operation: 'update', data: { title: 'second' } } as const;
  expect((await accepted(update)).server_updated_at).toEqual(TIME);
  await consumed(database);
  const second = await phone.pullPage({ checkpoint: first.checkpoint });
  expect(second.changes.map((record) => record.data['title'])).toEqual(['second']);

  expect((await accepted({ id, table_name: 'tasks', operation: 'delete' })).server_deleted_at).toEqual(TIME);
  await consumed(database);
  const third = await phone.pullPage({ checkpoint: second.checkpoint });
  expect(third).toMatchObject({ changes: [], deletes: [{ id, table_name: 'tasks' }] });
});

it('[scenario 115] a push answers the times of what it wrote, each not before the last, and checkpoint 0', async () => {
  const id = randomUUID();
  const answer = await phone.push([creation(id, 'mine')]);
  expect(answer.checkpoint).toBe(0);
  const created = only(answer.accepted);
  expect(created.server_updated_at).toEqual(TIME);
  expect(created).not.toHaveProperty('server_deleted_at');
  const updated = await accepted({
    id,
    table_name: 'tasks',
    operation: 'update',
    data: { title: 'changed' },
    base_updated_at: created.server_updated_at ?? '',
  });
  expect(Date.parse(updated.server_updated_at ?? '')).toBeGreaterThan(
    Date.parse(created.server_updated_at ?? ''),
  );
  const deleted = await accepted({ id, table_name: 'tasks', operation: 'delete' });
  expect(deleted.server_deleted_at).toEqual(TIME);
});

it('[scenario 116] columns of the server are its own, in a create and in an update', async () => {
  const id = randomUUID();
  const fake = '2000-01-01T00:00:00Z';
  const forged = { user_id: 'somebody else', created_at: fake, updated_at: fake };
  const created = await accepted({ ...creation(id, 'a'), data: { title: 'a', ...forged } });
  await accepted({
    id,
    table_name: 'tasks',
    operation: 'update',
    data: { title: 'b', ...forged },
    base_updated_at: created.server_updated_at ?? '',
  });
  const row = only(
    await database.query(
      `SELECT user_id, title, created_at > '2020-01-01' AND updated_at > '2020-01-01' AS own_times FROM tasks WHERE id = $1`,
      [id],
    ),
  );
  expect(row).toEqual({ user_id: user, title: 'b', own_times: true });
});

it('[scenario 117] a deleted row may be deleted again, and created again', async () => {
  const id = randomUUID();
  const deletion = { id, table_name: 'tasks', operation: 'delete' } as const;
  await accepted(creation(id, 'first'));
  expect(await accepted(deletion)).toMatchObject({ status: 'applied', server_deleted_at: TIME });
  expect(await accepted(deletion)).toMatchObject({ status: 'applied' });
  expect(await accepted(creation(id, 'second'))).toMatchObject({ status: 'applied' });
  const rows = await database.query('SELECT title, deleted_at FROM tasks WHERE id = $1', [id]);
  expect(rows).toEqual([{ title: 'second', deleted_at: null }]);
});

describe('a bucket', () => {
  it('[scenario 119] of a user shows nobody else what is in it', async () => {
    const other = new Device(app.url, `${user}-b`);
    await other.start();
    const mine = await insertTask(database, user, 'mine');
    const theirs = await insertTask(database, other.userId, 'theirs');
    await consumed(database);
    expect((await phone.pullPage()).changes.map(({ id }) => id)).toEqual([mine]);
    expect((await other.pullPage()).changes.map(({ id }) => id)).toEqual([theirs]);
  });

  it('[scenario 120] of everyone shows what is in it to any user', async () => {
    const tag = randomUUID();
    await database.query(`INSERT INTO tags (id, user_id, name) VALUES ($1, NULL, 'for all')`, [tag]);
    await consumed(database);
    expect(await logOf(database, 'tags', tag)).toEqual(['create global']);
    for (const device of [phone, new Device(app.url, `${user}-b`)]) {
      await device.start();
      expect(device.row('tags', tag)).toMatchObject({ name: 'for all' });
    }
  });
});

it('[scenario 136] a device whose acknowledgement is forgotten gets the same changes once more', async () => {
  const start = phone.checkpoint;
  const ids = await insertTasks(database, user, 'task', 3);
  await consumed(database);
  const [first] = await phone.pull();
  await phone.pull();
  await database.query('UPDATE sync_clients SET last_pull_seq = 0 WHERE client_id = $1', [phone.clientId]);
  for (const checkpoint of [0, start]) {
    const again = await phone.pullPage({ checkpoint, tables: ['tasks'] });
    expect(again.snapshot_required).toBeUndefined();
    expect(again.changes).toEqual(first?.changes);
    expect(again.changes.map(({ id }) => id)).toEqual(ids);
  }
});

it('[scenario 138] what is deleted is a delete, however it came before, and everything else a change', async () => {
  const task = await insertTask(database, user, 'task');
  await consumed(database);
  await phone.pull();
  const category = randomUUID();
  await database.query(`INSERT INTO categories (id, name) VALUES ($1, 'new')`, [category]);
  await retitle(database, task, 'changed');
  await database.query('DELETE FROM tasks WHERE id = $1', [task]);
  await consumed(database);
  expect(await logOf(database, 'tasks', task)).toEqual([
    `create user:${user}`,
    `update user:${user}`,
    `delete user:${user}`,
  ]);
  const page = await phone.pullPage();
  expect(page.changes.map(({ id }) => id)).toEqual([category]);
  expect(page.deletes).toEqual([{ id: task, table_name: 'tasks' }]);
});
