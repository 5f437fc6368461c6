import type { DataSource } from 'typeorm';
import { inTransaction, type SqlRunner } from '../database/session.js';

/** One contract that was ever in force. */
export interface ManifestEntry {
  readonly version: string;
  readonly hash: string;
  /** ISO text in UTC. */
  readonly createdAt: string;
}

/** Table → its columns in a contract. */
export type ContractColumns = ReadonlyMap<string, readonly string[]>;

/** Whether the manifest's table is there, as this version needs it. */
export async function hasManifest(manager: SqlRunner): Promise<boolean> {
  const rows: { found: boolean }[] = await manager.query(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute
      WHERE attrelid = to_regclass(':sync.sync_schema_manifest') AND attname = 'contract_columns') AS found`,
  );
  return rows[0]?.found === true;
}

/** The version under which a hash is known; null if it is new (or the reference stored it, without the columns). */
export async function findVersion(manager: SqlRunner, hash: string): Promise<bigint | null> {
  const rows: { version: string }[] = await manager.query(
    `SELECT schema_version::text AS version FROM :sync.sync_schema_manifest
      WHERE schema_hash = $1 AND contract_columns IS NOT NULL`,
    [hash],
  );
  return rows[0] ? BigInt(rows[0].version) : null;
}

/** Gives a hash the next version, unless another instance has given it one in the meantime (scenario 108). */
export async function addVersion(
  dataSource: DataSource,
  hash: string,
  columns: ContractColumns,
): Promise<void> {
  await inTransaction(dataSource, 'write', async (manager) => {
    await manager.query('SELECT pg_advisory_xact_lock($1)', [MANIFEST_LOCK]);
    await manager.query(
      `INSERT INTO :sync.sync_schema_manifest AS m (schema_version, schema_hash, created_at, contract_columns)
       SELECT coalesce(max(schema_version), 0) + 1, $1, now(), $2::jsonb FROM :sync.sync_schema_manifest
       ON CONFLICT (schema_hash) DO UPDATE SET contract_columns = excluded.contract_columns
         WHERE m.contract_columns IS NULL`,
      [hash, JSON.stringify(Object.fromEntries(columns))],
    );
  });
}

/**
 * Those of the columns that came after their tables: an earlier contract had the table without them, so there may be
 * devices that have it without them. Once late, a column stays it.
 */
export async function lateColumns(
  manager: SqlRunner,
  columns: readonly (readonly [table: string, column: string])[],
): Promise<ReadonlySet<string>> {
  const rows: { key: string }[] = await manager.query(
    `SELECT jsonb_build_array(k.table_name, k.column_name)::text AS key
       FROM unnest($1::text[], $2::text[]) AS k(table_name, column_name)
      WHERE EXISTS (
        SELECT FROM :sync.sync_schema_manifest m
         WHERE m.contract_columns ? k.table_name AND NOT m.contract_columns -> k.table_name ? k.column_name)`,
    [columns.map(([table]) => table), columns.map(([, column]) => column)],
  );
  return new Set(rows.map(({ key }) => columnKey(...(JSON.parse(key) as [string, string]))));
}

/** A column as {@link lateColumns} names it. */
export function columnKey(table: string, column: string): string {
  return JSON.stringify([table, column]);
}

/** The latest contracts, newest first. */
export async function manifestHistory(
  dataSource: DataSource,
  limit: number,
): Promise<readonly ManifestEntry[]> {
  return inTransaction(dataSource, 'read', async (manager) => {
    const rows: { version: string; hash: string; created_at: string }[] = await manager.query(
      `SELECT schema_version::text AS version, schema_hash AS hash, to_json(created_at)#>>'{}' AS created_at
       FROM :sync.sync_schema_manifest ORDER BY schema_version DESC LIMIT $1`,
      [limit],
    );
    return rows.map(({ version, hash, created_at }) => ({
      version,
      hash,
      createdAt: created_at,
    }));
  });
}

/** The reference's own, so that both servers can run side by side during a move. */
const MANIFEST_LOCK = 91_110_042;
