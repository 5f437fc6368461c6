import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataSource, type EntityManager } from 'typeorm';
import { raiseFloor } from '../lib/store/retention.js';
import { beginSnapshot, type SyncClient } from '../lib/store/sync-clients.js';
import { startApp, type RunningApp } from './support/app.js';
import { consumed } from './support/consumer.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { Device } from './support/device.js';
import { insertTask } from './support/sample-rows.js';

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

async function beginChangedSnapshot(manager: EntityManager): Promise<void> {
  const [client]: SyncClient[] = await manager.query('SELECT id FROM sync_clients');
  if (!client) throw new Error('there is no device');
  await beginSnapshot(manager, client, ['user:alice'], { changes: true, holdMilliseconds: 60_000 });
}

it.each([
  ['a compaction', (manager: EntityManager) => raiseFloor(manager, null)],
  ['a snapshot that begins', beginChangedSnapshot],
])('%s in a process that freezes lets go of what the WAL consumer waits for', async (_, take) => {
  await new Device(app.url, 'alice').start();
  let [taken, thaw] = [(): void => {}, (): void => {}];
  const isTaken = new Promise<void>((resolve) => (taken = resolve));
  const thawed = new Promise<void>((resolve) => (thaw = resolve));
  const frozen = app.app.get(DataSource).transaction(async (manager) => {
    await take(manager);
    taken();
    await thawed;
    await manager.query('SELECT');
  });
  const ended = expect(frozen).rejects.toThrow();
  await isTaken;
  await insertTask(database, 'alice', 'meanwhile');
  await consumed(database);
  thaw();
  await ended;
});
