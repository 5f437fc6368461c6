import { setTimeout as sleep } from 'node:timers/promises';
import { lastSeq } from '../../environment/changelog.js';
import type { Database } from '../../environment/database.js';
import { BenchDevice } from '../../environment/device.js';
import { HttpLoad } from '../../environment/http-load.js';
import type { NodeProcess } from '../../environment/node-process.js';
import type { Environment } from '../../environment/environment.js';

const TASKS_EACH = 10;
const ENTRIES_EACH = 50;

/** An app with many clients, of which some are here. */
export interface Dataset {
  readonly app: NodeProcess;
  readonly database: Database;
  readonly devices: readonly BenchDevice[];
  /** Where all clients stand. */
  readonly start: number;
  /** What came since. */
  readonly entries: number;
}

/** Each client is a user's only one, has 10 tasks, and 50 entries to come. */
export async function openDataset(environment: Environment, clients: number, here: number): Promise<Dataset> {
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${clients * TASKS_EACH}, ${clients})`);
  await database.query('VACUUM ANALYZE tasks');
  const app = await environment.app(database);
  await app.call('caughtUp');
  const load = new HttpLoad(app.url, 4);
  const devices: BenchDevice[] = [];
  for (let n = 0; n < here; n++)
    devices.push(await new BenchDevice(load, `user${Math.floor((n * clients) / here)}`).start());
  const start = await lastSeq(database);
  await database.query(
    `INSERT INTO sync_clients (user_id, client_id, platform, app_version, bucket_subs, is_active, last_sync_at,
                               last_pull_at, last_pull_seq, snapshot_completed_at, served_seq)
     SELECT 'user' || n, gen_random_uuid()::text, 'bench', '1.0.0', ARRAY['user:user' || n, 'global'], true, now(), now(),
            $1, now(), $1 FROM generate_series(0, $2::int - 1) AS n
      WHERE NOT EXISTS (SELECT FROM sync_clients AS c WHERE c.user_id = 'user' || n)`,
    [start, clients],
  );
  await appendEntries(database);
  await database.query('VACUUM ANALYZE');
  return { app, database, devices, start, entries: clients * ENTRIES_EACH };
}

/** What the consumer would have written, were all tasks changed five times, one after another. */
async function appendEntries(database: Database): Promise<void> {
  await database.query(
    `WITH position AS (SELECT last_seq FROM sync_wal_position FOR UPDATE), entry AS (
       INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
       SELECT p.last_seq + row_number() OVER (), e.bucket_id, e.table_name, e.record_id, 2
         FROM position AS p, generate_series(1, ${ENTRIES_EACH / TASKS_EACH}) AS turn, sync_bucket_edges AS e
       RETURNING seq)
     UPDATE sync_wal_position SET last_seq = greatest(last_seq, (SELECT max(seq) FROM entry))`,
  );
}

/** Looks again and again which statements wait for a lock, but for those of compaction itself and of the consumer. */
export async function watchLocks(
  database: Database,
  isOver: () => boolean,
): Promise<{ readonly looks: number; readonly waits: readonly string[] }> {
  const waits = new Set<string>();
  let looks = 0;
  for (; !isOver(); looks++) {
    const rows = await database.query<{ query: string }>(
      `SELECT left(query, 200) AS query FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query <> 'SELECT pg_advisory_xact_lock($1)'
          AND query !~ 'FROM sync_wal_position.*FOR UPDATE'`,
    );
    for (const { query } of rows) waits.add(query);
    await sleep(2);
  }
  return { looks, waits: [...waits] };
}
