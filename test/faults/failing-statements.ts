import { patiently } from './patience.js';
import { touch } from './host-rows.js';
import { provokePush } from './probe.js';
import type { Site } from './site.js';

/** How often a statement of each kind must have failed. */
const TIMES = 3;

const CANCEL = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
  WHERE wait_event = 'PgSleep' AND datname = current_database() AND query NOT LIKE 'autovacuum:%'`;

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
  // Who hangs in a trigger also holds the table.
  const cancelling = setInterval(() => void database.query(CANCEL).catch(() => undefined), 100);
  const names = [...apps.map(({ name }) => name), 'nestjs-synchro'].join(',');
  try {
    for (const [what, table] of Object.entries(failing)) {
      await database.query(`
        CREATE SEQUENCE faults.${what};
        CREATE TRIGGER fault BEFORE INSERT OR UPDATE OR DELETE ON ${table} FOR EACH STATEMENT
          EXECUTE FUNCTION faults.fail('${what}', '${names}', '${sqlState}')`);
    }
    await touch(site);
    await patiently(async () => {
      await Promise.all(apps.map((app) => provokePush(site, app)));
      const [failed] = await database.query<{ pushes: string; changes: string }>(
        'SELECT p.last_value AS pushes, c.last_value AS changes FROM faults.pushes p, faults.changes c',
      );
      return Number(failed?.pushes) >= TIMES && Number(failed?.changes) >= TIMES;
    });
  } finally {
    for (const table of Object.values(failing))
      await database.query(`DROP TRIGGER IF EXISTS fault ON ${table}`);
    await database.query('DROP SCHEMA IF EXISTS faults CASCADE');
    clearInterval(cancelling);
  }
}
