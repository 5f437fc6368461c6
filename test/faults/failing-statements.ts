import { eventually } from '../support/wait.js';
import { touch } from './host-rows.js';
import { provokePush } from './probe.js';
import type { Site } from './site.js';

/** How often a statement of each kind must have failed. */
const TIMES = 3;

/**
 * For a while the apps' statements that write the host's table or the changelog fail: with 40001 each time, or they
 * hang until they are cancelled (57014). Lasts until several of both kinds have failed.
 */
export async function whileStatementsFail(site: Site, sqlState: '40001' | '57014'): Promise<void> {
  const { database, host, apps } = site;
  const failing = { pushes: host.table, changes: 'sync_changelog' };
  await database.query(`
    CREATE SCHEMA faults;
    CREATE FUNCTION faults.fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF current_setting('application_name') = ANY(string_to_array(TG_ARGV[1], ',')) THEN
        PERFORM nextval('faults.' || TG_ARGV[0]);
        IF TG_ARGV[2] = '57014' THEN PERFORM pg_sleep(600); END IF;
        RAISE EXCEPTION 'for a while' USING ERRCODE = TG_ARGV[2];
      END IF;
      RETURN NULL;
    END $$`);
  const names = [...apps.map(({ name }) => name), 'nestjs-synchro'].join(',');
  try {
    for (const [what, table] of Object.entries(failing)) {
      await database.query(`
        CREATE SEQUENCE faults.${what};
        CREATE TRIGGER fault BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH STATEMENT
          EXECUTE FUNCTION faults.fail('${what}', '${names}', '${sqlState}')`);
    }
    const pushing = Promise.all(apps.map((app) => provokePush(site, app)));
    await touch(site);
    await eventually(
      async () => {
        await database.query(
          `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`,
        );
        const [failed] = await database.query<{ pushes: string; changes: string }>(
          'SELECT p.last_value AS pushes, c.last_value AS changes FROM faults.pushes p, faults.changes c',
        );
        return Number(failed?.pushes) >= TIMES && Number(failed?.changes) >= TIMES;
      },
      { timeout: 30_000 },
    );
    await stopFailing(site, Object.values(failing));
    await pushing;
  } finally {
    await stopFailing(site, Object.values(failing));
  }
}

/** The triggers go first: who hangs in one holds the table, and must be cancelled. */
async function stopFailing({ database }: Site, tables: readonly string[]): Promise<void> {
  const cancelling = setInterval(() => {
    void database
      .query(
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`,
      )
      .catch(() => undefined);
  }, 50);
  try {
    for (const table of tables) await database.query(`DROP TRIGGER IF EXISTS fault ON ${table}`);
    await database.query('DROP SCHEMA IF EXISTS faults CASCADE');
  } finally {
    clearInterval(cancelling);
  }
}
