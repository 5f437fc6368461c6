import { randomBytes } from 'node:crypto';
import { escapeIdentifier, Pool, type QueryResultRow } from 'pg';
import { withClient } from './client.js';
import { testRun } from './run.js';
import { eventually } from './wait.js';

/** For {@link createDatabase}, where a test gives its database other settings for whoever connects. */
export const STEADY_SETTINGS = [
  'search_path=public',
  'standard_conforming_strings=on',
  'bytea_output=hex',
  'DateStyle=ISO',
  'default_transaction_isolation=read\\ committed',
]
  .map((setting) => `-c ${setting}`)
  .join(' ');

/** A database of its own for one test file, with names for what is shared by the whole server. */
export interface TestDatabase {
  readonly name: string;
  /** Connects as the superuser. */
  readonly url: string;
  /** The same with the settings that {@link query} has, whatever the database has been given. */
  readonly ownUrl: string;
  /** Replication slots are known to the whole server, so the name comes from the database's. */
  readonly slotName: string;
  readonly publicationName: string;
  /** Runs one statement and returns its rows; values as `pg` parses them by default (`bigint` is text). */
  query<Row extends QueryResultRow = QueryResultRow>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<Row[]>;
  /** Ends all connections to the database, and removes its replication slots and itself. */
  drop(): Promise<void>;
}

/**
 * Creates an empty database on the server of this run, or on a server that the test started itself.
 *
 * @param serverUrl Connects as a superuser to any database of the server.
 * @param encoding As PostgreSQL names it; others than UTF8 with the locale C.
 * @param settings As in PGOPTIONS, for the test's own connections. Default: none.
 */
export async function createDatabase(
  serverUrl = testRun().serverUrl,
  encoding = 'UTF8',
  settings = '',
): Promise<TestDatabase> {
  const name = `${testRun().prefix}_${randomBytes(4).toString('hex')}`;
  const isLimited = await withClient(serverUrl, async (client) => {
    const { rows } = await client.query<{ version: number }>(
      "SELECT current_setting('server_version_num')::integer / 10000 AS version",
    );
    const version = rows[0]?.version ?? 0;
    const locale = encoding === 'UTF8' ? '' : "LC_COLLATE 'C' LC_CTYPE 'C'";
    // 11 ms of CPU time where the default takes 85 and writes 4 MB of WAL; before PostgreSQL 15 there is no other.
    const strategy = version < 15 ? '' : 'STRATEGY file_copy';
    await client.query(
      `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE template0 ENCODING '${encoding}' ${locale} ${strategy}`,
    );
    // Before PostgreSQL 17 there is no such limit.
    return version >= 17;
  });
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const own = new URL(url);
  if (settings !== '')
    own.searchParams.set('options', isLimited ? `${settings} -c transaction_timeout=0` : settings);
  const pool = new Pool({ connectionString: own.href, max: 4, idleTimeoutMillis: 1_000 });
  // Tests terminate backends and stop servers on purpose.
  pool.on('error', () => {});

  return {
    name,
    url: url.href,
    ownUrl: own.href,
    slotName: `${name}_slot`,
    publicationName: `${name}_pub`,
    query: async (sql, params = []) => (await pool.query(sql, [...params])).rows,
    drop: async () => {
      await pool.end();
      await dropDatabase(serverUrl, name);
    },
  };
}

async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    // Closed first, or a consumer that retries takes its slot again in between.
    await client.query(`ALTER DATABASE ${escapeIdentifier(name)} ALLOW_CONNECTIONS false`);
    await eventually(async () => {
      await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name]);
      // Fails for as long as a terminated walsender has not let go of its slot.
      await client.query(
        'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1',
        [name],
      );
    });
    await client.query(`DROP DATABASE ${escapeIdentifier(name)} WITH (FORCE)`);
  });
}
