import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { SyncEngine } from '../../lib/index.js';
import { type RunningApp, startApp } from '../support/app.js';
import { consumed, logState } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTasks } from '../support/sample-rows.js';

let database: TestDatabase;
let app: RunningApp;
/** Whose device acknowledges what there is, so that nothing but a hold keeps it. */
let other: Device;
let snapshotAge: string;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  snapshotAge = '2d';
  app = await startApp({ database, synchro: { compaction: {}, limits: { snapshotAge } } });
  await database.query('DELETE FROM sync_clients');
  other = new Device(app.url, 'other');
  await other.start();
});
afterEach(() => app.close());

async function historyGrows(): Promise<number> {
  await insertTasks(database, 'other', 'history', 3);
  await consumed(database);
  await other.pull();
  await other.pull(); // its request acknowledges what the one before brought
  return (await logState(database)).last;
}

async function floor(): Promise<number> {
  return Number((await app.app.get(SyncEngine, { strict: false }).runCompaction()).safeSeq);
}

/** As if all that has happened so far, but for the other device's pulls, had been this long ago. */
async function passes(device: Device, interval: string): Promise<void> {
  await database.query('UPDATE sync_changelog SET created_at = created_at - $1::interval', [interval]);
  await database.query('UPDATE sync_subscription_changes SET created_at = created_at - $1::interval', [
    interval,
  ]);
  await database.query(
    `UPDATE sync_clients SET snapshot_began_at = snapshot_began_at - $1::interval,
            snapshot_expires_at = least(snapshot_expires_at, snapshot_began_at - $1::interval + $3::interval)
      WHERE client_id = $2`,
    [interval, device.clientId, snapshotAge],
  );
}

async function paging(): Promise<Device> {
  const userId = randomUUID();
  await insertTasks(database, userId, 'task', 5);
  await consumed(database);
  const device = new Device(app.url, userId, randomUUID(), { pageSize: 2 });
  await device.schema();
  await device.register();
  return device;
}

it("a snapshot's cursor that is sent again and again holds history no longer than limits.snapshotAge [W-LOAD-19]", async () => {
  const device = await paging();
  const first = await device.snapshotPage();
  await historyGrows();
  await device.snapshotPage({ cursor: first.cursor });
  expect(await floor(), 'a hold that is young').toBeLessThanOrEqual(first.checkpoint);
  await passes(device, '3 days');
  await device.snapshotPage({ cursor: first.cursor });
  await device.snapshotPage({ cursor: first.cursor });
  expect(await floor()).toBeGreaterThan(first.checkpoint);
});

it('nor does a snapshot that is begun again and again [W-LOAD-19]', async () => {
  const device = await paging();
  const first = await device.snapshotPage();
  await historyGrows();
  await passes(device, '1 day');
  await device.snapshotPage();
  expect(await floor(), 'the first one may go on still').toBeLessThanOrEqual(first.checkpoint);
  await passes(device, '1 day');
  await device.snapshotPage();
  expect(await floor()).toBeGreaterThan(first.checkpoint);
});

it('nor the last page of one that is finished, asked for again and again [W-LOAD-19]', async () => {
  const device = await paging();
  const first = await device.snapshotPage();
  let page = first;
  let last = first.cursor;
  for (; page.has_more; page = await device.snapshotPage({ cursor: page.cursor })) last = page.cursor;
  await historyGrows();
  await passes(device, '3 days');
  await database.query('UPDATE sync_clients SET is_active = false WHERE client_id = $1', [device.clientId]);
  await device.snapshotPage({ cursor: last });
  await database.query('UPDATE sync_clients SET is_active = false WHERE client_id = $1', [device.clientId]);
  expect(await floor()).toBeGreaterThan(first.checkpoint);
});

it('a first sync that takes longer than that comes to its end, while its history is there', async () => {
  const device = await paging();
  let page = await device.snapshotPage();
  for (const record of page.records) device.store.replace(record);
  await passes(device, '3 days');
  while (page.has_more) {
    page = await device.snapshotPage({ cursor: page.cursor });
    for (const record of page.records) device.store.replace(record);
  }
  device.checkpoint = page.checkpoint;
  await device.pull();
  expect(device.snapshotReasons).toEqual([]);
  expect(device.rows('tasks').size).toBe(5);
});

it('and where it is gone, takes one more snapshot, with a hold as young as it is', async () => {
  const device = await paging();
  let page = await device.snapshotPage();
  const { checkpoint } = page;
  await historyGrows();
  await passes(device, '3 days');
  while (page.has_more) page = await device.snapshotPage({ cursor: page.cursor });
  await device.snapshotPage({ cursor: page.cursor });
  await database.query('UPDATE sync_clients SET is_active = false WHERE client_id = $1', [device.clientId]);
  expect(await floor()).toBeGreaterThan(checkpoint);
  device.checkpoint = checkpoint;
  await device.pull();
  expect(device.snapshotReasons).toEqual(['checkpoint_before_retention']);
  expect(device.rows('tasks').size).toBe(5);
  await historyGrows();
  await device.pull();
  expect(device.snapshotReasons).toHaveLength(1);
});

it('a device that always pulls from an old checkpoint holds history for 30 days, and is then sent to a snapshot [W-LOAD-19]', async () => {
  const device = new Device(app.url, 'old');
  await device.start();
  const { checkpoint } = device;
  const last = await historyGrows();
  await device.pullPage({ checkpoint });
  await passes(device, '29 days');
  expect(await floor()).toBe(checkpoint);
  await passes(device, '2 days');
  await device.pullPage({ checkpoint });
  expect(await floor()).toBe(last);
  expect(await device.pullPage({ checkpoint })).toMatchObject({
    snapshot_required: true,
    snapshot_reason: 'checkpoint_before_retention',
  });
});

it('maxAge passes a hold that is older, whatever limits.snapshotAge says [W-LOAD-19]', async () => {
  await app.close();
  snapshotAge = '90d';
  app = await startApp({ database, synchro: { compaction: { maxAge: '1d' }, limits: { snapshotAge } } });
  other = new Device(app.url, 'other');
  await other.start();
  const device = await paging();
  const first = await device.snapshotPage();
  await historyGrows();
  await passes(device, '2 days');
  await device.snapshotPage({ cursor: first.cursor });
  expect(await floor()).toBeGreaterThan(first.checkpoint);
});
