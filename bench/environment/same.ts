import { synchroMigrationsSql } from 'nestjs-synchro';
import type { Database } from './database.js';
import type { Environment } from './environment.js';

/** A database with the host's tables and sync's own, where nothing consumes. */
export async function baselineTables(environment: Environment, like: Database): Promise<Database> {
  const database = await environment.database();
  await createSyncTables(database);
  const [position] = await like.query<{ position: string }>(
    'SELECT to_json(p) AS position FROM sync_wal_position p',
  );
  await database.query(
    'INSERT INTO sync_wal_position SELECT * FROM json_populate_record(NULL::sync_wal_position, $1)',
    [position?.position],
  );
  return database;
}

export async function createSyncTables(database: Database): Promise<void> {
  for (const statement of synchroMigrationsSql()) await database.query(statement);
}

/** All rows of a query in one hash. */
export async function textOf(database: Database, query: string): Promise<string> {
  const [row] = await database.query<{ count: string; hash: string }>(
    `SELECT count(*), md5(string_agg(md5(r::text), '')) AS hash FROM (${query}) AS r`,
  );
  return `${row?.count} rows, ${row?.hash}`;
}

/** @throws Error unless two queries have the same rows in the same order */
export async function expectSame(
  database: Database,
  query: string,
  other: Database,
  otherQuery: string,
): Promise<void> {
  const [one, two] = [await textOf(database, query), await textOf(other, otherQuery)];
  if (one !== two)
    throw new Error(`subject and baseline differ: ${one} of ${query}; ${two} of ${otherQuery}`);
}

/** Copies all rows of a table that the other database has empty. */
export async function copyRows(database: Database, other: Database, table: string): Promise<void> {
  const [row] = await database.query<{ rows: unknown }>(`SELECT json_agg(t) AS rows FROM ${table} AS t`);
  await other.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [
    JSON.stringify(row?.rows),
  ]);
}
