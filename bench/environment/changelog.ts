import { eventually } from '../../test/support/wait.js';
import type { Database } from './database.js';

/** The last seq that the log has given out. */
export async function lastSeq(database: Database): Promise<number> {
  const [row] = await database.query<{ last: string }>('SELECT last_seq AS last FROM sync_wal_position');
  return Number(row?.last);
}

/** Resolves once the log has come so far. */
export async function reached(database: Database, seq: number): Promise<void> {
  await eventually(async () => (await lastSeq(database)) >= seq, { timeout: 600_000, interval: 2 });
}

/** Keeps the consumer from writing until the answer is called; what is committed meanwhile is its backlog. */
export async function holdConsumer(database: Database): Promise<() => Promise<void>> {
  const client = await database.pool.connect();
  await client.query('BEGIN');
  await client.query('SELECT FROM sync_wal_position FOR UPDATE');
  return async () => {
    await client.query('COMMIT');
    client.release();
  };
}
