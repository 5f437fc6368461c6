import { withClient } from '../support/client.js';
import { patiently } from './patience.js';
import { written } from './app-faults.js';
import type { FaultKind } from './fault.js';
import { logPosition } from './host-rows.js';
import type { Site } from './site.js';

/** Faults that take history away: the log starts a new epoch. */
export const SLOT_FAULTS: readonly FaultKind[] = [
  {
    name: 'slot-dropped',
    keeps: 'epoch',
    inject: (site) =>
      untilNewEpoch(site, async () => {
        const { database } = site;
        // Fails while a walsender that was terminated has not let go of it, or the next one has it already.
        await patiently(async () => {
          await database.query(
            'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
            [database.slotName],
          );
          await database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
        }, 2);
      }),
  },
  {
    name: 'slot-invalidated',
    keeps: 'epoch',
    inject: (site) =>
      untilNewEpoch(site, async () => {
        for (const { databaseNetwork } of site.apps) {
          databaseNetwork.refuse();
          databaseNetwork.cut();
        }
        try {
          await setServer(site, `max_slot_wal_keep_size = '1MB'`);
          await patiently(() => isLostAfterMoreWal(site));
        } finally {
          await setServer(site, 'max_slot_wal_keep_size = DEFAULT');
          for (const { databaseNetwork } of site.apps) databaseNetwork.pass();
        }
      }),
  },
  {
    name: 'sync-tables-restored',
    keeps: 'epoch',
    inject: (site, random) =>
      untilNewEpoch(site, async () => {
        await keepCopy(site);
        await written(site);
        // Operators restore with the apps running, or stop them before.
        const stopped = random.below(2) === 0;
        if (stopped) await Promise.all(site.apps.map((app) => app.stop()));
        // With the apps at work it may deadlock, and is tried again.
        await patiently(() => restoreCopy(site).then(() => true));
        if (stopped) await Promise.all(site.apps.map((app) => app.start()));
      }),
  },
];

async function untilNewEpoch(site: Site, happen: () => Promise<void>): Promise<void> {
  const { epochSeq } = await logPosition(site);
  await happen();
  await patiently(async () => (await logPosition(site)).epochSeq > epochSeq);
  await site.leader();
}

async function setServer({ database }: Site, setting: string): Promise<void> {
  await database.query(`ALTER SYSTEM SET ${setting}`);
  await database.query('SELECT pg_reload_conf()');
}

async function isLostAfterMoreWal({ database }: Site): Promise<boolean> {
  await database.query(`SELECT pg_logical_emit_message(false, 'faults', 'filler')`);
  await database.query('SELECT pg_switch_wal()');
  await database.query('CHECKPOINT');
  const [slot] = await database.query<{ wal_status: string }>(
    'SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1',
    [database.slotName],
  );
  return slot?.wal_status === 'lost';
}

/** What a dump of the sync tables would hold. */
async function keepCopy(site: Site): Promise<void> {
  const copies = (await syncTables(site)).map((table) => `CREATE TABLE copy.${table} AS TABLE ${table};`);
  await site.database.query(
    `BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE SCHEMA copy; ${copies.join('\n')} COMMIT`,
  );
}

async function restoreCopy(site: Site): Promise<void> {
  const tables = await syncTables(site);
  const inserts = tables.map((table) => `INSERT INTO ${table} OVERRIDING SYSTEM VALUE TABLE copy.${table};`);
  await withClient(site.database.ownUrl, (client) =>
    client.query(
      `BEGIN; TRUNCATE ${tables.join(', ')}; ${inserts.join('\n')} DROP SCHEMA copy CASCADE; COMMIT`,
    ),
  );
}

/** Those that are referred to first. */
async function syncTables({ database }: Site): Promise<readonly string[]> {
  const rows = await database.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
      WHERE relkind = 'r' AND relname LIKE 'sync\\_%' AND relnamespace = current_schema()::regnamespace
      ORDER BY EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND conrelid = pg_class.oid), relname`,
  );
  return rows.map(({ name }) => name);
}
