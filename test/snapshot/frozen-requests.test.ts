import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DataSource, type EntityManager } from 'typeorm';
import { raiseFloor } from '../../lib/store/changelog/retention.js';
import { inTransaction } from '../../lib/database/session.js';
import { beginSnapshot } from '../../lib/store/changelog/snapshot-holds.js';
import type { SyncClient } from '../../lib/store/clients/sync-clients.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed, withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

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
  await beginSnapshot(manager, client, ['user:alice'], true, { duration: 60_000, maxAge: 60_000 });
}

/** How many connections wait for a lock. */
async function waiting(): Promise<number> {
  const rows = await database.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.length;
}

it.each([
  ['a compaction', (manager: EntityManager) => raiseFloor(manager, 60_000, null)],
  ['a snapshot that begins', beginChangedSnapshot],
])('%s in a process that freezes lets go of what the WAL consumer waits for', async (_, take) => {
  await new Device(app.url, 'alice').start();
  // What the device leaves to the consumer is done: it has nothing to wait for yet.
  await consumed(database);
  const thaw = new AbortController();
  const thawed = once(thaw.signal, 'abort');
  let ended: Promise<void> | undefined;
  // Both come to wait for the test, in this order: frozen, a request has five seconds, in which the consumer must come.
  await withPausedConsumer(database, async () => {
    const frozen = inTransaction(app.app.get(DataSource), 'write', async (manager) => {
      await take(manager);
      await thawed;
      await manager.query('SELECT');
    });
    ended = expect(frozen).rejects.toThrow(/released|terminat|connection to the database broke/);
    await eventually(async () => (await waiting()) === 1);
    await insertTask(database, 'alice', 'meanwhile');
    await eventually(async () => (await waiting()) === 2);
  });
  await consumed(database);
  thaw.abort();
  await ended;
});

const HOST_TIMEOUT = { extra: { options: '-c idle_in_transaction_session_timeout=10s' } };

it.each([
  ['5s', '', {}, {}],
  ['30s', ' where it works between two statements', { worksBetween: true }, {}],
  ['10s', ', as the host has said', {}, HOST_TIMEOUT],
])('a request may be idle in a transaction for %s%s', async (time, _, options, connection) => {
  const source = new DataSource({ type: 'postgres', url: database.url, ...connection });
  await source.initialize();
  try {
    for (const kind of ['read', 'write'] as const) {
      const rows = await inTransaction(
        source,
        kind,
        (manager) => manager.query('SHOW idle_in_transaction_session_timeout'),
        options,
      );
      expect(rows).toEqual([{ idle_in_transaction_session_timeout: time }]);
    }
  } finally {
    await source.destroy();
  }
});

it('a push may judge a large document, or thousands of changes, for 30 s between two statements [W-LOAD-31]', async () => {
  await database.query(
    `CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN NEW.title := current_setting('idle_in_transaction_session_timeout'); RETURN NEW; END $$`,
  );
  await database.query(
    `CREATE TRIGGER tell BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.title = 'how long?') EXECUTE FUNCTION tell()`,
  );
  const phone = new Device(app.url, 'wanda');
  await phone.register();
  const id = randomUUID();
  await phone.push([
    {
      id,
      table_name: 'tasks',
      operation: 'create',
      data: { user_id: 'wanda', title: 'how long?' },
      client_updated_at: new Date().toISOString(),
    },
  ]);
  expect(await database.query('SELECT title FROM tasks WHERE id = $1', [id])).toEqual([{ title: '30s' }]);
});
