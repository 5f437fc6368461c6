import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { SyncEngine } from '../../../lib/index.js';
import { type RunningApp, startApp } from '../../support/app.js';
import { consumed } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { instant } from '../../support/instant.js';
import { eventually } from '../../support/wait.js';

let database: TestDatabase;
let app: RunningApp;
let phone: Device;
let tablet: Device;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});
beforeEach(async () => {
  [phone, tablet] = [new Device(app.url, 'alice'), new Device(app.url, 'alice')];
  for (const device of [phone, tablet]) await device.start();
});

/** Edits made from now on have a later time than those before. */
async function tick(): Promise<void> {
  const before = Date.now();
  await eventually(() => Date.now() > before, { interval: 1 });
}

/** What the server has: ids, with the times by which devices tell versions apart. */
async function serverRows(table: string): Promise<ReadonlyMap<unknown, unknown>> {
  const rows = await database.query(
    `SELECT id, updated_at::text AS time FROM ${table} WHERE deleted_at IS NULL`,
  );
  return new Map(rows.map(({ id, time }) => [id, instant(time)]));
}

function rowsOf(device: Device, table: string): ReadonlyMap<unknown, unknown> {
  return new Map([...device.rows(table)].map(([id, row]) => [id, instant(row['updated_at'])]));
}

it('250 offline edits arrive whose tasks are in a later batch than their comments [interleaving 20]', async () => {
  const tasks = Array.from({ length: 5 }, () => phone.create('tasks', { title: 'new', user_id: 'alice' }));
  const comments = tasks.flatMap((task) =>
    Array.from({ length: 49 }, (_, n) => phone.create('comments', { task_id: task, body: `${n}` })),
  );
  await tick();
  // The last edit of a row is what the queue is ordered by.
  for (const task of tasks) phone.update('tasks', task, { title: 'edited last' });

  const answers = await phone.pushPending();
  expect(answers.map(({ accepted, rejected }) => [accepted.length, rejected.length])).toEqual([
    [100, 0],
    [100, 0],
    [50, 0],
  ]);
  const tasksOf = answers.map(({ accepted }) => accepted.filter((result) => result.table_name === 'tasks'));
  expect(tasksOf.map(({ length }) => length)).toEqual([0, 0, 5]);
  expect(await database.query('SELECT FROM sync_parked_rows')).toEqual([]);

  const [onServer, tasksOnServer] = [await serverRows('comments'), await serverRows('tasks')];
  expect(new Set(onServer.keys())).toEqual(new Set(comments));
  for (const device of [tablet, phone]) {
    await eventually(async () => {
      await device.pull();
      expect(rowsOf(device, 'comments')).toEqual(onServer);
      expect(rowsOf(device, 'tasks')).toEqual(tasksOnServer);
    });
  }
  expect(new Set([...tablet.rows('tasks').values()].map((row) => row['title']))).toEqual(
    new Set(['edited last']),
  );
});

it('an edit and a delete of comments that wait arrive, too', async () => {
  const task = phone.create('tasks', { title: 'late', user_id: 'alice' });
  const [edited, deleted] = ['edited', 'deleted'].map((body) =>
    phone.create('comments', { task_id: task, body }),
  );
  if (edited === undefined || deleted === undefined) throw new Error('nothing was created');
  await phone.push(phone.store.pending(3).filter(({ table_name }) => table_name === 'comments'));
  phone.update('comments', edited, { body: 'edited again' });
  phone.delete('comments', deleted);
  expect(phone.store.pendingCount).toBe(3);
  await phone.push(phone.store.pending(3).filter(({ table_name }) => table_name === 'comments'));
  await phone.pushPending();
  expect(await database.query('SELECT id, body FROM comments WHERE task_id = $1', [task])).toEqual([
    { id: edited, body: 'edited again' },
  ]);
});

it('the WAL consumer leaves the record of a comment that waits too long open, until it is written', async () => {
  const task = phone.create('tasks', { title: 'very late', user_id: 'alice' });
  const comment = phone.create('comments', { task_id: task, body: 'x' });
  await phone.push(phone.store.pending(2).filter(({ table_name }) => table_name === 'comments'));
  await database.query(`UPDATE sync_parked_rows SET created_at = now() - interval '8 days'`);
  await app.app.get(SyncEngine, { strict: false }).runCompaction();
  await consumed(database);
  const open = (): Promise<unknown[]> =>
    database.query('SELECT record_id FROM sync_rule_failures WHERE resolved_at IS NULL');
  expect(await open()).toEqual([{ record_id: comment }]);
  await phone.pushPending();
  expect(await open()).toEqual([]);
});

it('a record that a device moves while it waits comes back under the parent that it has [W-PUSH-13]', async () => {
  const [other, task] = [phone.create('tasks', { title: 'other', user_id: 'alice' }), randomUUID()];
  const comment = phone.create('comments', { task_id: task, body: 'waits' });
  await phone.pushPending();
  await tick();
  phone.update('comments', comment, { task_id: other, body: 'moved' });
  phone.create('tasks', { title: 'late', user_id: 'alice' }, task);
  await phone.pushPending();
  await consumed(database);
  await eventually(async () => {
    await phone.pull();
    expect(phone.row('comments', comment)).toMatchObject({ task_id: task, body: 'moved' });
  });
});
