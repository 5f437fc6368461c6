import type { DataSource, EntityManager } from 'typeorm';
import { inTransaction } from '../store/session.js';

/** One contract that was ever in force. */
export interface ManifestEntry {
  readonly version: bigint;
  readonly hash: string;
  /** ISO text in UTC. */
  readonly createdAt: string;
}

/** The version under which a hash is known; null if it is new. */
export async function findVersion(manager: EntityManager, hash: string): Promise<bigint | null> {
  const rows: { version: string }[] = await manager.query(
    'SELECT schema_version::text AS version FROM sync_schema_manifest WHERE schema_hash = $1',
    [hash],
  );
  return rows[0] ? BigInt(rows[0].version) : null;
}

/** Gives a hash the next version, or the one that another instance gave it in the meantime (scenario 108). */
export async function addVersion(dataSource: DataSource, hash: string): Promise<bigint> {
  return inTransaction(dataSource, 'write', async (manager) => {
    await manager.query('SELECT pg_advisory_xact_lock($1)', [MANIFEST_LOCK]);
    await manager.query(
      `INSERT INTO sync_schema_manifest (schema_version, schema_hash, created_at)
       SELECT coalesce(max(schema_version), 0) + 1, $1, now() FROM sync_schema_manifest
       ON CONFLICT (schema_hash) DO NOTHING`,
      [hash],
    );
    const version = await findVersion(manager, hash);
    if (version === null) throw new Error(`sync_schema_manifest did not keep the hash ${hash}`);
    return version;
  });
}

/** The latest contracts, newest first. */
export async function manifestHistory(
  dataSource: DataSource,
  limit: number,
): Promise<readonly ManifestEntry[]> {
  return inTransaction(dataSource, 'read', async (manager) => {
    const rows: { version: string; hash: string; created_at: string }[] = await manager.query(
      `SELECT schema_version::text AS version, schema_hash AS hash, to_json(created_at)#>>'{}' AS created_at
       FROM sync_schema_manifest ORDER BY schema_version DESC LIMIT $1`,
      [limit],
    );
    return rows.map(({ version, hash, created_at }) => ({
      version: BigInt(version),
      hash,
      createdAt: created_at,
    }));
  });
}

/** The reference's own, so that both servers can run side by side during a move. */
const MANIFEST_LOCK = 91_110_042;
