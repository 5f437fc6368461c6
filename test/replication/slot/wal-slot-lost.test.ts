import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { testFolder } from '../../support/run.js';
import { eventually } from '../../support/wait.js';
import { edgesOf, storedPosition } from '../../support/wal-app.js';

describe('a slot whose WAL was removed', () => {
  let server: PostgresServer;
  let database: TestDatabase;
  let app: RunningApp | undefined;

  beforeAll(async () => {
    server = await startPostgres({
      dataDir: await testFolder(),
      durable: false,
      settings: { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' },
    });
    database = await createDatabase(server.url);
  });

  afterAll(async () => {
    await app?.close();
    server.destroySync();
  });

  async function insertTask(): Promise<string> {
    const id = randomUUID();
    await database.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, 'alice', 'a task')`, [id]);
    return id;
  }

  it('is replaced, and nothing is lost [W-WAL-17]', async () => {
    app = await startApp({ database });
    const device = new Device(app.url, 'alice');
    await device.start();
    const before = await storedPosition(database);
    await app.close();

    const missed = await insertTask();
    await eventually(async () => {
      await database.query('SELECT pg_switch_wal()');
      await database.query('CREATE TABLE IF NOT EXISTS filler AS SELECT 1 AS n');
      await database.query('INSERT INTO filler SELECT generate_series(1, 10000)');
      await database.query('CHECKPOINT');
      const [slot] = await database.query(
        'SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1',
        [database.slotName],
      );
      return slot?.['wal_status'] === 'lost';
    });

    app = await startApp({ database });
    const later = await insertTask();
    await eventually(async () => (await edgesOf(database, 'tasks', later)).length > 0);
    expect(BigInt((await storedPosition(database)).epoch_seq)).toBe(BigInt(before.last_seq) + 2n ** 32n);
    const returning = new Device(app.url, 'alice', device.clientId);
    Object.assign(returning, { store: device.store, checkpoint: device.checkpoint });
    await returning.schema();
    await returning.pull();
    expect(returning.snapshotReasons).toEqual(['history_unavailable']);
    expect([...returning.rows('tasks').keys()].toSorted()).toEqual([missed, later].toSorted());
  });
});
