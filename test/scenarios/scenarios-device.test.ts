import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device, type DeviceOptions } from '../support/device.js';
import { only } from '../support/push-fixture.js';
import { insertTask, insertTasks, retitle } from '../support/sample-rows.js';
import type { PullResponse } from '../support/wire.js';

/** What the SDKs' own tests take for granted of a server, by a device that keeps the SDKs' rules. */
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
  phone = await started();
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

function started(options?: DeviceOptions): Promise<Device> {
  return Device.started(app.url, user, options);
}

/** A task that the device has, written past sync. */
async function known(title: string): Promise<string> {
  const id = await insertTask(database, user, title);
  await consumed(database);
  await phone.pull();
  return id;
}

/** Notes the endpoints that a device asks, in order. */
function calls(device: Device): readonly string[] {
  const paths: string[] = [];
  const send = device.send.bind(device);
  device.send = (path, body) => {
    paths.push(path);
    return send(path, body);
  };
  return paths;
}

it('[scenario 182] a device starts by schema, register, snapshot and pull, and is up to date', async () => {
  await insertTask(database, user, 'there before');
  await consumed(database);
  const tablet = new Device(app.url, user);
  const asked = calls(tablet);
  await tablet.start();
  expect(asked).toEqual(['schema', 'register', 'snapshot', 'pull']);
  expect(tablet.snapshotReasons).toEqual([]);
  expect([...tablet.rows('tasks').values()].map(({ title }) => title)).toEqual(['there before']);
});

it('[scenario 183] the time of an accepted change, sent back as it came, is the version of the row', async () => {
  const id = phone.create('tasks', { title: 'first', user_id: user });
  const [created] = await phone.pushPending();
  const time = only(created?.accepted ?? []).server_updated_at ?? '';
  expect(phone.row('tasks', id)).toMatchObject({ updated_at: time });
  const answer = await phone.push([
    {
      id,
      table_name: 'tasks',
      operation: 'update',
      data: { title: 'second' },
      base_updated_at: time,
      // Would lose against any other version.
      client_updated_at: '2000-01-01T00:00:00Z',
    },
  ]);
  expect(answer.rejected).toEqual([]);
});

it('[scenario 184] a pulled row is there with all its columns, and is no edit of the device', async () => {
  const id = randomUUID();
  await database.query(
    `INSERT INTO tasks (id, user_id, title, updated_at) VALUES ($1, $2, 'pulled', date_trunc('milliseconds', clock_timestamp()))`,
    [id, user],
  );
  await consumed(database);
  const [page] = await phone.pull();
  const [record] = page?.changes ?? [];
  expect(record?.updated_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/);
  const { columns } = only((await phone.schema()).tables.filter(({ table_name: name }) => name === 'tasks'));
  expect(Object.keys(record?.data ?? {})).toEqual(columns.map(({ name }) => name));
  expect(phone.row('tasks', id)).toMatchObject({ title: 'pulled' });
  expect(phone.store.pendingCount).toBe(0);
});

it('[scenario 185] has_more brings the rest at once, from the checkpoint of the page before', async () => {
  const tablet = await started({ pageSize: 2 });
  const ids = await insertTasks(database, user, 'task', 5);
  await consumed(database);
  const pages = await tablet.pull();
  expect(pages.map(({ has_more: more }) => more)).toEqual([true, true, false]);
  expect([...tablet.rows('tasks').keys()]).toEqual(ids);
  expect(tablet.checkpoint).toBe(pages.at(-1)?.checkpoint);
});

it('[scenario 188] a device that has to take a snapshot does so by pages, and needs no further pull', async () => {
  const tablet = await started({ pageSize: 2 });
  const ids = await insertTasks(database, user, 'task', 5);
  await consumed(database);
  const { checkpoint } = tablet;
  // As after a restore of the database from a backup.
  tablet.checkpoint += 1_000_000;
  const asked = calls(tablet);
  const page = only(await tablet.pull());
  expect(page).toMatchObject({ snapshot_required: true, checkpoint: checkpoint + 1_000_000 });
  expect(asked.filter((path) => path !== 'schema')).toEqual(['pull', 'snapshot', 'snapshot', 'snapshot']);
  expect([...tablet.rows('tasks').keys()].toSorted()).toEqual(ids.toSorted());
  expect(tablet.checkpoint).toBeGreaterThan(checkpoint);
  expect(tablet.checkpoint).toBeLessThan(checkpoint + 1_000_000);
});

describe('a change that is rejected', () => {
  it('[scenario 189] in a conflict is replaced by the version of the server', async () => {
    const id = await known('first');
    phone.update('tasks', id, { title: 'of the device' });
    await database.query(
      `UPDATE tasks SET title = 'of the server', updated_at = clock_timestamp() + interval '1 hour' WHERE id = $1`,
      [id],
    );
    const [answer] = await phone.pushPending();
    expect(answer?.rejected).toMatchObject([
      { status: 'conflict', server_version: { id, table_name: 'tasks' } },
    ]);
    expect(phone.row('tasks', id)).toMatchObject({ title: 'of the server' });
    expect(phone.store.pendingCount).toBe(0);
  });

  it('[scenario 190] without a version of the server is forgotten, and its row left alone', async () => {
    const id = phone.create('categories', { name: 'of the device' });
    const [answer] = await phone.pushPending();
    const rejected = only(answer?.rejected ?? []);
    expect(rejected).toMatchObject({ id, status: 'rejected_terminal' });
    expect(rejected).not.toHaveProperty('server_version');
    expect(phone.row('categories', id)).toMatchObject({ name: 'of the device' });
    expect(phone.store.pendingCount).toBe(0);
  });
});

it('[scenario 191] pulls delete and renew what the device has, and their checkpoints never go back', async () => {
  const [changed, deleted] = [await known('first'), await known('deleted')];
  const pages: PullResponse[] = [];
  await retitle(database, changed, 'second');
  await consumed(database);
  const last = await phone.pullPage();
  pages.push(...(await phone.pull()));
  expect(phone.row('tasks', changed)).toMatchObject({ title: 'second' });
  // A late copy of what it has brings nothing back.
  phone.update('tasks', changed, { title: 'typed meanwhile' });
  for (const record of last.changes) phone.store.applyChange(record);
  expect(phone.row('tasks', changed)).toMatchObject({ title: 'typed meanwhile' });
  await phone.pushPending();

  await database.query('DELETE FROM tasks WHERE id = $1', [deleted]);
  await consumed(database);
  pages.push(...(await phone.pull()), ...(await phone.pull()));
  expect(phone.row('tasks', deleted)).toBeUndefined();
  expect(phone.store.all('tasks').get(deleted)).toMatchObject({ deleted_at: expect.any(String) as string });
  const checkpoints = pages.map(({ checkpoint }) => checkpoint);
  expect(checkpoints).toEqual(checkpoints.toSorted((a, b) => a - b));
});

it('[scenario 195] a new nullable column leaves rows and edits of a device usable', async () => {
  const id = await known('before');
  phone.update('tasks', id, { title: 'typed before' });
  await database.query('ALTER TABLE tasks ADD COLUMN mood text');
  try {
    await expect(phone.sync()).rejects.toMatchObject({ status: 409 });
    expect(phone.store.pendingCount).toBe(1);
    await phone.start();
    expect(phone.store.pendingCount).toBe(0);
    phone.update('tasks', id, { mood: 'good' });
    await phone.pushPending();
    await consumed(database);
    expect(await database.query('SELECT title, mood FROM tasks WHERE id = $1', [id])).toEqual([
      { title: 'typed before', mood: 'good' },
    ]);
    const tablet = await started();
    expect(tablet.row('tasks', id)).toMatchObject({ title: 'typed before', mood: 'good' });
  } finally {
    await database.query('ALTER TABLE tasks DROP COLUMN mood');
  }
});
