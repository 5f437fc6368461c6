import { withClient } from './client.js';
import type { TestDatabase } from './database.js';

/** Nothing is written to a table meanwhile: requests come to wait, each on a connection of its own. */
export async function whileLocked(
  database: TestDatabase,
  table: string,
  work: () => Promise<void>,
): Promise<void> {
  await withClient(database.url, async (client) => {
    await client.query(`BEGIN; LOCK TABLE ${table} IN EXCLUSIVE MODE`);
    try {
      await work();
    } finally {
      await client.query('ROLLBACK');
    }
  });
}

/** Sessions of the database that wait for a lock. */
export async function waitingForLocks(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ n: number }>(
    `SELECT count(*)::integer AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return row?.n ?? 0;
}
