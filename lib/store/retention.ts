import type { EntityManager } from 'typeorm';
import { SNAPSHOT_HOLD_LOCK } from './sync-clients.js';

/** Devices that have not synced for long no longer hold history back. @returns how many */
export async function deactivateStaleClients(manager: EntityManager, milliseconds: number): Promise<number> {
  const [, count]: [unknown[], number] = await manager.query(
    `UPDATE sync_clients SET is_active = false, updated_at = now()
      WHERE is_active AND last_sync_at < now() - $1 * interval '1 millisecond'`,
    [milliseconds],
  );
  return count;
}

/**
 * Raises the retention floor to what every active device has acknowledged and no snapshot in progress needs; what
 * is above it stays. Appenders wait meanwhile, and a snapshot begins either before, and is seen, or after, above it
 * (interleavings 22).
 * @returns the floor as it is now
 */
export async function raiseFloor(manager: EntityManager): Promise<bigint> {
  await manager.query('SELECT FROM sync_wal_position FOR UPDATE');
  await manager.query('SELECT pg_advisory_xact_lock($1)', [SNAPSHOT_HOLD_LOCK]);
  await manager.query(
    `UPDATE sync_wal_position SET floor_seq = greatest(floor_seq, coalesce((
       SELECT least(min(last_pull_seq) FILTER (WHERE is_active AND snapshot_completed_at IS NOT NULL),
                    min(snapshot_seq) FILTER (WHERE snapshot_expires_at > now()))
         FROM sync_clients), 0))`,
  );
  const rows: { floor: string }[] = await manager.query(
    'SELECT floor_seq::text AS floor FROM sync_wal_position',
  );
  return BigInt(rows[0]?.floor ?? 0);
}

/** Deletes a batch of entries up to the floor. @returns how many */
export async function deleteEntries(
  manager: EntityManager,
  floor: bigint,
  batchSize: number,
): Promise<number> {
  const [, count]: [unknown[], number] = await manager.query(
    `DELETE FROM sync_changelog WHERE seq IN (SELECT seq FROM sync_changelog WHERE seq <= $1 ORDER BY seq LIMIT $2)`,
    [floor.toString(), batchSize],
  );
  return count;
}
