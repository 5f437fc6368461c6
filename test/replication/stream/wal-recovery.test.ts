import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { withClient } from '../../support/client.js';
import { logState } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, logOf, startWalApp, storedPosition, SyncedRow } from '../../support/wal-app.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
class Task extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

describe('the consumer', () => {
  let database: TestDatabase;
  const apps: RunningApp[] = [];

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('tasks', 'user_id text NOT NULL'));
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await database.drop();
  });

  async function start(): Promise<RunningApp> {
    const app = await startWalApp(database, [Task], { replication: { batchRows: 3, maxBatchRows: 5 } });
    apps.push(app);
    return app;
  }

  async function insertTask(): Promise<string> {
    const id = randomUUID();
    await database.query(`INSERT INTO tasks (id, user_id) VALUES ('${id}', 'alice')`);
    return id;
  }

  /** Ends connections of the consumer, as a failing network would. */
  async function cut(kind: 'walsender' | 'client backend'): Promise<number> {
    const rows = await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'nestjs-synchro' AND backend_type = $1`,
      [kind],
    );
    return rows.length;
  }

  it('starts with what was there before it, and sends it to devices [W-SNAP-7] [W-WAL-3]', async () => {
    const task = await insertTask();
    const app = await start();
    const device = new Device(app.url, 'alice');
    await device.start();
    expect(device.row('tasks', task)).toBeDefined();
    expect(await logOf(database, 'tasks', task)).toEqual([]);
    // It was made with the slot: whoever is at the beginning of the log gets it by a snapshot alone.
    expect((await logState(database)).floor).toBeGreaterThan(0);
  });

  it('goes on with what was committed while nobody consumed, once each [scenario 141] [W-WAL-3]', async () => {
    const first = await start();
    await applied(database);
    await first.close();
    const tasks = [await insertTask(), await insertTask()];
    await start();
    await applied(database);
    for (const task of tasks) expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
  });

  it.each(['walsender', 'client backend'] as const)(
    'comes back when its %s connection is lost, and applies everything once [W-WAL-2] [W-WAL-5]',
    async (kind) => {
      await start();
      await applied(database);
      const before = await storedPosition(database);
      const tasks: string[] = [];
      for (let round = 0; round < 3; round++) {
        await eventually(async () => (await cut(kind)) > 0);
        for (let n = 0; n < 7; n++) tasks.push(await insertTask());
      }
      await applied(database);
      for (const task of tasks) expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
      expect((await storedPosition(database)).epoch_seq).toBe(before.epoch_seq);
    },
  );

  it('comes back when it is cut off in the middle of a large transaction, and applies all of it once [W-WAL-2]', async () => {
    await start();
    await applied(database);
    const ids = Array.from({ length: 21 }, () => randomUUID());
    await withClient(database.url, async (blocker) => {
      // The writer gets as far as the last row, with the pieces before it written.
      await blocker.query('BEGIN');
      await blocker.query(
        "INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id) VALUES ('tasks', $1, 'user:alice')",
        [ids.at(-1)],
      );
      await database.query('INSERT INTO tasks (id, user_id) SELECT unnest($1::uuid[]), $2', [ids, 'alice']);
      await eventually(async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'nestjs-synchro' AND wait_event_type = 'Lock'`,
        );
        return waiting.length > 0;
      });
      await cut('client backend');
      await blocker.query('ROLLBACK');
    });
    await applied(database);
    const rows = await database.query<{ n: string }>(
      'SELECT count(*) AS n, count(DISTINCT record_id) FROM sync_changelog WHERE record_id = ANY($1)',
      [ids],
    );
    expect(rows).toEqual([{ n: '21', count: '21' }]);
  });

  it('hands over to a standby when its app ends, and neither repeats nor leaves anything out [W-WAL-5]', async () => {
    const leader = await start();
    await start();
    const tasks = [await insertTask()];
    await applied(database);
    const ending = leader.close();
    for (let n = 0; n < 20; n++) tasks.push(await insertTask());
    await ending;
    await applied(database);
    for (const task of tasks) {
      expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
      expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
    }
  });
});
