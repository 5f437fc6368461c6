import type { EntityManager } from 'typeorm';
import { limitIdleTime } from '../../database/session.js';
import { SNAPSHOT_HOLD_LOCK } from './snapshot-holds.js';

/**
 * Devices that have not pulled for long no longer hold history back. A push acknowledges nothing, so pushes alone
 * don't count (hazard W-CLI-3); a device that never pulled at all has had its time since it registered.
 * @returns how many
 */
export async function deactivateStaleClients(manager: EntityManager, milliseconds: number): Promise<number> {
  const [, count]: [unknown[], number] = await manager.query(
    `UPDATE :sync.sync_clients SET is_active = false
      WHERE is_active
        AND least(last_sync_at, coalesce(last_pull_at, created_at)) < now() - $1 * interval '1 millisecond'`,
    [milliseconds],
  );
  return count;
}

/**
 * The last of the entries that are older than this, before the first that is not. Read from the old end of the log,
 * so it costs as much as there is to remove.
 * @returns null when there is none
 */
export async function lastSeqOlderThan(manager: EntityManager, milliseconds: number): Promise<bigint | null> {
  const rows: { seq: string | null }[] = await manager.query(
    `SELECT max(seq)::text AS seq FROM :sync.sync_changelog
      WHERE seq < coalesce((SELECT seq FROM :sync.sync_changelog WHERE created_at >= now() - $1 * interval '1 millisecond'
                             ORDER BY seq LIMIT 1), ${ABOVE_ALL})`,
    [milliseconds],
  );
  const seq = rows[0]?.seq ?? null;
  return seq === null ? null : BigInt(seq);
}

const ABOVE_ALL = 2n ** 63n - 1n;

/**
 * Raises the retention floor to the lowest checkpoint of the active devices, or to `aged` where that is higher, but
 * never above what a snapshot in progress or a pending subscription change younger than `maxAge` needs: history is
 * held back no longer. A device below the floor already needs a snapshot, and holds nothing back. Appenders wait
 * meanwhile, and a snapshot begins either before, and is seen, or after, above the floor (interleavings 22).
 * @param maxAge milliseconds
 * @param aged entries up to here are older than that
 * @returns the present floor
 */
export async function raiseFloor(
  manager: EntityManager,
  maxAge: number,
  aged: bigint | null,
): Promise<bigint> {
  await limitIdleTime(manager);
  await manager.query('SELECT FROM :sync.sync_wal_position FOR UPDATE');
  await manager.query('SELECT pg_advisory_xact_lock($1)', [SNAPSHOT_HOLD_LOCK]);
  // Without devices and old entries, greatest and least are null, and the floor stays.
  await manager.query(
    `UPDATE :sync.sync_wal_position p SET floor_seq = greatest(p.floor_seq, (
       SELECT least(greatest(min(last_pull_seq) FILTER (WHERE is_active AND snapshot_completed_at IS NOT NULL
                                                          AND last_pull_seq >= greatest(p.floor_seq, resync_seq)), $1::bigint),
                    min(snapshot_seq) FILTER (WHERE snapshot_expires_at > now() AND ${isYounger('coalesce(snapshot_began_at, now())')}
                                                AND snapshot_seq >= p.floor_seq),
                    (SELECT min(from_seq) FROM :sync.sync_subscription_changes
                      WHERE from_seq >= p.floor_seq AND ${isYounger('created_at')}))
         FROM :sync.sync_clients))`,
    [aged?.toString() ?? null, maxAge],
  );
  const rows: { floor: string }[] = await manager.query(
    'SELECT floor_seq::text AS floor FROM :sync.sync_wal_position',
  );
  return BigInt(rows[0]?.floor ?? 0);
}

/** $2 milliseconds. */
function isYounger(time: string): string {
  return `${time} > now() - $2::float8 * interval '1 millisecond'`;
}

/** A batch of deleted entries. */
export interface DeletedEntries {
  readonly count: number;
  /** The last one's seq: the next batch starts behind it, instead of passing over what is dead already. */
  readonly last: bigint;
}

/** Deletes a batch of entries behind `after`, up to the floor. No pull waits for it: pulls only read. */
export async function deleteEntries(
  manager: EntityManager,
  after: bigint,
  floor: bigint,
  batchSize: number,
): Promise<DeletedEntries> {
  const rows: { count: number; last: string | null }[] = await manager.query(
    `WITH gone AS (
       DELETE FROM :sync.sync_changelog WHERE seq IN (
         SELECT seq FROM :sync.sync_changelog WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3)
       RETURNING seq)
     SELECT count(*)::integer AS count, max(seq)::text AS last FROM gone`,
    [after.toString(), floor.toString(), batchSize],
  );
  return { count: rows[0]?.count ?? 0, last: BigInt(rows[0]?.last ?? floor) };
}
