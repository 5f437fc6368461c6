import type { Client } from 'pg';
import { withClient } from '../support/client.js';
import { pause } from '../support/wait.js';
import { patiently } from './patience.js';
import type { FaultKind } from './fault.js';
import { touch } from './host-rows.js';
import { provokePush } from './probe.js';
import type { Site } from './site.js';

const ROUNDS = 2;
/** Milliseconds until it is provoked again. */
const AGAIN = 500;

/** Somebody locks tables in the opposite order to sync's, so that PostgreSQL ends transactions of sync's (40P01). */
export const DISTURBED_BY_LOCKS: FaultKind = {
  name: 'deadlocks',
  keeps: 'log',
  inject: async (site, random) => {
    const before = await deadlocks(site);
    for (let round = 0; round < ROUNDS; round++) {
      const app = random.pick(site.apps);
      await untilCrossed(site, site.host.table, 'sync_clients', app.name, () => provokePush(site, app));
      await untilCrossed(site, 'sync_changelog', 'sync_wal_position', 'nestjs-synchro', () => touch(site));
    }
    // Backends tell of it now and then.
    await patiently(async () => (await deadlocks(site)) >= before + ROUNDS);
  },
};

/** The other one is to look for circles first; and the database may have been given limits, by name or by version. */
const PINNED = `
  SELECT set_config(name, CASE name WHEN 'deadlock_timeout' THEN '2s' ELSE '0' END, false) FROM pg_settings
   WHERE name IN ('deadlock_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')`;

async function deadlocks({ database }: Site): Promise<number> {
  const [row] = await database.query<{ deadlocks: string }>(
    'SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()',
  );
  return Number(row?.deadlocks);
}

/**
 * On a busy machine the other one may have looked for circles before there was one, and a migration may come between;
 * then it is again.
 */
async function untilCrossed(...crossing: Parameters<typeof cross>): Promise<void> {
  await patiently(() =>
    cross(...crossing).catch((error: { code?: string }) => {
      if (error.code === '40P01') return false;
      throw error;
    }),
  );
}

/**
 * Holds `first` until someone of that name waits for it who has used `second`, and takes that one then: a circle, which
 * the other one finds first.
 * @returns false when a migration waits for `first`: whoever comes then waits for that one
 */
async function cross(
  site: Site,
  first: string,
  second: string,
  victim: string,
  provoke: () => Promise<void>,
): Promise<boolean> {
  return withClient(site.database.ownUrl, async (client) => {
    await client.query(PINNED);
    await client.query(`BEGIN; LOCK TABLE ${first} IN SHARE MODE`);
    const crossed = new AbortController();
    // One that was sent away, by what a fault before has left, waits for nothing: then another one.
    const provoked = (async () => {
      for (; !crossed.signal.aborted; await pause(AGAIN)) await provoke();
    })();
    try {
      const waiting = await patiently(() => whoWaits(client, victim), 2).catch(async (cause: unknown) => {
        throw new Error(`${victim} does not wait for ${first}: ${await activity(client)}`, { cause });
      });
      if (waiting === 'migration') return false;
      await client.query(`LOCK TABLE ${second} IN ACCESS EXCLUSIVE MODE`);
    } finally {
      crossed.abort();
      await client.query('ROLLBACK');
      await provoked;
    }
    return true;
  });
}

/** Who waits for this client's lock, the victim before a migration. */
async function whoWaits(client: Client, victim: string): Promise<'victim' | 'migration' | false> {
  await readAgain(client);
  const { rows } = await client.query<{ victim: boolean; migration: boolean }>(
    `SELECT coalesce(bool_or(application_name = $1), false) AS victim,
            coalesce(bool_or(mode = 'AccessExclusiveLock'), false) AS migration
       FROM pg_locks JOIN pg_stat_activity a USING (pid)
      WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))`,
    [victim],
  );
  const [waiting] = rows;
  if (waiting?.victim) return 'victim';
  return waiting?.migration ? 'migration' : false;
}

/** What everybody does, and who waits for whom. */
async function activity(client: Client): Promise<string> {
  await readAgain(client);
  const { rows } = await client.query(
    `SELECT pid, application_name, state, wait_event, pg_blocking_pids(pid) AS blocked_by, left(query, 120) AS query
       FROM pg_stat_activity WHERE datname = current_database()`,
  );
  return JSON.stringify(rows);
}

/** Within a transaction PostgreSQL shows the backends as they were at the first look. */
async function readAgain(client: Client): Promise<void> {
  await client.query('SELECT pg_stat_clear_snapshot()');
}
