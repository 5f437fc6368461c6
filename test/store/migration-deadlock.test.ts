import { afterEach, beforeEach, expect, it } from 'vitest';

import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { waitingForLocks } from '../support/locks.js';
import { eventually } from '../support/wait.js';
import { startWalApp } from '../support/wal-app.js';

let database: TestDatabase;

beforeEach(async () => {
  database = await createDatabase();
});
afterEach(() => database.drop());

it('an app starts though its migrations are the victim of a deadlock [W-HOST-101]', async () => {
  await (await startWalApp(database, [])).close();
  await withClient(database.url, async (other) => {
    // Whoever waits for this long looks for a deadlock, and is its victim: not this one.
    await other.query(`SET deadlock_timeout = '1min'`);
    await other.query('BEGIN; SELECT FROM sync_wal_position FOR UPDATE');
    const starting = startWalApp(database, []);
    await eventually(async () => (await waitingForLocks(database)) === 1);
    // As whoever appends: after the position, the log, which the migrations hold already.
    await other.query('SELECT FROM sync_changelog');
    await other.query('COMMIT');
    const app = await starting;
    await app.close();
  });
  expect(await deadlocks()).toBeGreaterThan(0);
});

async function deadlocks(): Promise<number> {
  return eventually(async () => {
    const [row] = await database.query<{ n: number }>(
      'SELECT deadlocks::int AS n FROM pg_stat_database WHERE datname = current_database()',
    );
    return (row?.n ?? 0) > 0 && (row?.n ?? 0);
  });
}
