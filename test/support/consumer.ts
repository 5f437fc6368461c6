import { randomUUID } from 'node:crypto';
import { withClient } from './client.js';
import type { TestDatabase } from './database.js';
import { eventually } from './wait.js';

/** Runs `work` while nothing can be appended to the changelog: the test holds the `sync_wal_position` row. */
export async function withPausedConsumer<T>(database: TestDatabase, work: () => Promise<T>): Promise<T> {
  return withClient(database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM sync_wal_position FOR UPDATE');
    // The connection's end rolls back, and lets go.
    return work();
  });
}

/** Resolves once the consumer has something to append, and waits for its turn without having written anything. */
export async function consumerWaits(database: TestDatabase): Promise<void> {
  await eventually(async () => {
    const waiting = await database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-synchro'
         AND wait_event_type = 'Lock' AND backend_xid IS NULL`,
    );
    return waiting.length === 1;
  });
}

/** Resolves once the server has sent the consumer all that was committed before, whatever becomes of it there. */
export async function allSent(database: TestDatabase): Promise<void> {
  await eventually(async () => {
    const rows = await database.query(
      `SELECT FROM pg_stat_replication r JOIN pg_replication_slots s ON s.active_pid = r.pid
        WHERE s.database = current_database() AND r.sent_lsn >= pg_current_wal_insert_lsn()`,
    );
    return rows.length > 0;
  });
}

/** Resolves once everything that was committed before has reached the changelog of the sample app. */
export async function consumed(database: TestDatabase): Promise<void> {
  const marker = randomUUID();
  await database.query(`INSERT INTO tags (id, user_id, name) VALUES ($1, 'nobody', 'marker')`, [marker]);
  await eventually(async () => {
    const edges = await database.query('SELECT FROM sync_bucket_edges WHERE record_id = $1', [marker]);
    return edges.length === 1;
  });
}

/** Resolves once the consumer has applied every subscription change that pulls have left behind. */
export async function subscriptionsApplied(database: TestDatabase): Promise<void> {
  await eventually(async () => {
    const waiting = await database.query('SELECT FROM sync_subscription_changes');
    return waiting.length === 0;
  });
}

/** Resolves once the consumer has done everything that it was asked for. */
export async function tasksDone(database: TestDatabase): Promise<void> {
  await eventually(async () => (await database.query('SELECT FROM sync_consumer_tasks')).length === 0);
}

/** Where the changelog stands. */
export async function logState(
  database: TestDatabase,
): Promise<{ readonly last: number; readonly floor: number; readonly entries: number }> {
  const [row] = await database.query<{ last_seq: string; floor_seq: string; entries: string }>(
    `SELECT last_seq, floor_seq, (SELECT count(*) FROM sync_changelog) AS entries FROM sync_wal_position`,
  );
  return { last: Number(row?.last_seq), floor: Number(row?.floor_seq), entries: Number(row?.entries) };
}
