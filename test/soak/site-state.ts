import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SiteApp } from '../faults/site-app.js';
import type { Site } from '../faults/site.js';

/** What an app has said last, when a fault was not survived, or slowly. */
const LINES = 20;
/** A server's own end or crash, and why it ends a connection. */
const SERVER_NEWS = /PANIC|FATAL|signal|crash|shut|ready to accept/;

const TABLES = ['wal_position', 'consumer_tasks', 'subscription_changes', 'rule_failures', 'clients'];
const QUERIES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(TABLES.map((table) => [table, `SELECT * FROM sync_${table}`])),
  'log end': 'SELECT pg_current_wal_lsn()::text AS lsn, clock_timestamp()::text AS now',
  slots: `SELECT slot_name, active_pid, wal_status, restart_lsn::text, confirmed_flush_lsn::text
            FROM pg_replication_slots WHERE database = current_database()`,
  // Of those that wait for a lock: for whom.
  sessions: `SELECT pid, application_name, state, wait_event_type, wait_event, pg_blocking_pids(pid) AS blocked_by,
                    xact_start::text, left(query, 200) AS query
               FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()`,
};

/** What the consumer still has to do, who holds it up, and what the apps and the server have said last. */
export async function stateOf(site: Site): Promise<string> {
  const rows = await Promise.all(
    Object.entries(QUERIES).map(async ([what, sql]) => {
      // A database that can't be asked is a state, too.
      const found = await site.database.query(sql).then(JSON.stringify, String);
      return `${what}: ${found}`;
    }),
  );
  const log = await readFile(join(site.server.dataDir, 'server.log'), 'utf8');
  const server = log.split('\n').filter((line) => SERVER_NEWS.test(line));
  return [...rows, lastLinesOf(site), ...server.slice(-LINES)].join('\n');
}

/** What the apps have said last of what they consume. */
export function lastLinesOf({ apps }: Site): string {
  return apps.map(lastLines).join('\n');
}

function lastLines(app: SiteApp): string {
  const lines = app.output().split('\n');
  return `${app.name}:\n${lines
    .filter((line) => line.includes('Consumer'))
    .slice(-LINES)
    .concat(app.crashes)
    .join('\n')}`;
}
