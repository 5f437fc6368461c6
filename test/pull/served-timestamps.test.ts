import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { instant } from '../support/instant.js';
import { insertTask, share, unshare } from '../support/sample-rows.js';
import type { WireRecord } from '../support/wire.js';

let database: TestDatabase;
let app: RunningApp;
let phone: Device;
let bob: Device;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
  phone = new Device(app.url, 'alice');
  bob = new Device(app.url, 'bob');
  for (const device of [phone, bob]) await device.start();
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

/** A task that Alice's phone holds. */
async function heldTask(title = 'first'): Promise<string> {
  const id = await insertTask(database, 'alice', title);
  await consumed(database);
  await phone.pull();
  expect(phone.row('tasks', id)).toMatchObject({ title });
  return id;
}

async function sql(statement: string, ...values: unknown[]): Promise<void> {
  await database.query(statement, values);
}

/** The record as the phone's next pull brings it; the phone applies it by its own rules. */
async function pulled(id: string): Promise<WireRecord | undefined> {
  await consumed(database);
  const pages = await phone.pull();
  return pages.flatMap((page) => page.changes).find((record) => record.id === id);
}

function micros(time: unknown): bigint {
  const found = instant(time);
  if (found === undefined) throw new Error(`not a time: ${JSON.stringify(time)}`);
  return found;
}

it('a change that does not move updated_at reaches devices that hold the row [interleaving 12]', async () => {
  const id = await heldTask();
  for (const title of ['second', 'third']) {
    await sql('UPDATE tasks SET title = $2 WHERE id = $1', id, title);
    const record = await pulled(id);
    expect(phone.row('tasks', id)).toMatchObject({ title });
    expect(micros(record?.updated_at)).toBeGreaterThan(micros(record?.data['updated_at']));
  }
});

it('the stamp stands on the envelope alone: data carries the row as it is [interleaving 12]', async () => {
  const id = await heldTask();
  await sql('UPDATE tasks SET title = $2 WHERE id = $1', id, 'second');
  const record = await pulled(id);
  const [row] = await database.query<{ text: string }>(
    'SELECT updated_at::text AS text FROM tasks WHERE id = $1',
    [id],
  );
  expect(micros(record?.data['updated_at'])).toBe(micros(row?.text));
});

it('a change that sets updated_at backwards reaches devices that hold the row [interleaving 12]', async () => {
  const id = await heldTask();
  await sql(`UPDATE tasks SET title = 'back', updated_at = updated_at - interval '1 day' WHERE id = $1`, id);
  await pulled(id);
  expect(phone.row('tasks', id)).toMatchObject({ title: 'back' });
});

it('after a time in the future, changes that do not exceed it still arrive [interleaving 12]', async () => {
  const id = await heldTask();
  await sql(`UPDATE tasks SET title = 'ahead', updated_at = now() + interval '1 hour' WHERE id = $1`, id);
  await pulled(id);
  expect(phone.row('tasks', id)).toMatchObject({ title: 'ahead' });
  await sql(`UPDATE tasks SET title = 'unmoved' WHERE id = $1`, id);
  await pulled(id);
  expect(phone.row('tasks', id)).toMatchObject({ title: 'unmoved' });
  await sql(`UPDATE tasks SET title = 'back to now', updated_at = now() WHERE id = $1`, id);
  await pulled(id);
  expect(phone.row('tasks', id)).toMatchObject({ title: 'back to now' });
});

it('a row that is deleted and undeleted in SQL comes back with its updated_at unmoved [W-PULL-10] [interleaving 12]', async () => {
  const id = await heldTask();
  await sql('UPDATE tasks SET deleted_at = now() WHERE id = $1', id);
  await pulled(id);
  expect(phone.row('tasks', id)).toBeUndefined();
  await sql('UPDATE tasks SET deleted_at = NULL WHERE id = $1', id);
  await pulled(id);
  expect(phone.row('tasks', id)).toMatchObject({ title: 'first', deleted_at: null });
});

it('a row that leaves a bucket and comes back to it is shown again [W-PULL-10] [interleaving 12]', async () => {
  const id = await heldTask('shared');
  for (let round = 1; round <= 2; round++) {
    await share(database, id, 'bob');
    await consumed(database);
    await bob.pull();
    expect(bob.row('tasks', id)).toMatchObject({ title: 'shared' });
    await unshare(database, id, 'bob');
    await consumed(database);
    await bob.pull();
    expect(bob.row('tasks', id)).toBeUndefined();
  }
});

it('a row that is deleted and restored as it was is shown again [interleaving 12]', async () => {
  const id = await heldTask();
  const [row] = await database.query<{ updated_at: Date }>('SELECT * FROM tasks WHERE id = $1', [id]);
  await sql('DELETE FROM tasks WHERE id = $1', id);
  await pulled(id);
  expect(phone.row('tasks', id)).toBeUndefined();
  // A backup brings it back, with the time that the device holds.
  await sql(
    `INSERT INTO tasks (id, user_id, title, updated_at) VALUES ($1, 'alice', 'first', $2::timestamptz - interval '1 hour')`,
    id,
    row?.updated_at,
  );
  await pulled(id);
  expect(phone.row('tasks', id)).toMatchObject({ title: 'first' });
});

it('a row that is inserted with an old updated_at is stamped, and one with a fresh one is not [interleaving 12]', async () => {
  const [old, fresh] = [randomUUID(), randomUUID()];
  await sql(
    `INSERT INTO tasks (id, user_id, title, updated_at)
     VALUES ($1, 'alice', 'imported', now() - interval '2 minutes'), ($2, 'alice', 'new', now() - interval '30 seconds')`,
    old,
    fresh,
  );
  await consumed(database);
  const page = await phone.pullPage();
  const [imported, plain] = [old, fresh].map((id) => page.changes.find((record) => record.id === id));
  expect(micros(imported?.updated_at) - micros(imported?.data['updated_at'])).toBeGreaterThan(60_000_000n);
  expect(micros(plain?.updated_at)).toBe(micros(plain?.data['updated_at']));
});

it('a row that is replaced within a transaction keeps its own time [interleaving 12]', async () => {
  const id = await heldTask();
  await withClient(database.url, async (host) => {
    await host.query('BEGIN');
    await host.query('DELETE FROM tasks WHERE id = $1', [id]);
    await host.query(
      `INSERT INTO tasks (id, user_id, title, updated_at) VALUES ($1, 'alice', 'replaced', now())`,
      [id],
    );
    await host.query('COMMIT');
  });
  const record = await pulled(id);
  expect(micros(record?.updated_at)).toBe(micros(record?.data['updated_at']));
});

it("a device's own echo keeps the row's own time, so that it does not overwrite a later edit [interleaving 12]", async () => {
  const id = phone.create('tasks', { user_id: 'alice', title: 'pushed' });
  await phone.pushPending();
  phone.update('tasks', id, { title: 'edited since' });
  const created = await pulled(id);
  expect(micros(created?.updated_at)).toBe(micros(created?.data['updated_at']));
  expect(phone.row('tasks', id)).toMatchObject({ title: 'edited since' });

  await phone.pushPending();
});

it("the echo of a device's own update keeps the row's own time, too [interleaving 12]", async () => {
  const id = await heldTask();
  phone.update('tasks', id, { title: 'edited' });
  await phone.pushPending();
  phone.update('tasks', id, { title: 'edited again' });
  const record = await pulled(id);
  expect(micros(record?.updated_at)).toBe(micros(record?.data['updated_at']));
  expect(phone.row('tasks', id)).toMatchObject({ title: 'edited again' });
  await phone.pushPending();
});

it("the envelope is the latest of the row's own time and the stamps of what the page mentions [interleaving 12]", async () => {
  const id = await heldTask();
  await sql(`UPDATE tasks SET title = 'stamped' WHERE id = $1`, id);
  await consumed(database);
  await sql(`UPDATE tasks SET title = 'own time', updated_at = clock_timestamp() WHERE id = $1`, id);
  const record = await pulled(id);
  expect(micros(record?.updated_at)).toBe(micros(record?.data['updated_at']));
  expect(phone.row('tasks', id)).toMatchObject({ title: 'own time' });
});
