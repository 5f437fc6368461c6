import type { EntityManager } from 'typeorm';
import { limitIdleTime } from '../../database/session.js';
import type { SyncClient } from '../clients/sync-clients.js';

/** How long a snapshot in progress holds history back, in milliseconds. */
export interface HoldTimes {
  /** From now on. */
  readonly duration: number;
  /** From its first page on, however often it is renewed. */
  readonly maxAge: number;
}

/**
 * Fixes the checkpoint of a snapshot that begins, and holds compaction below it. The current subscriptions are
 * stored: a device that starts over has no rows that would have to be taken away. Where that `changes` them, a seq is
 * taken, and older checkpoints need a snapshot: the entries for the difference are not kept.
 *
 * An earlier snapshot with a valid hold may still be going on, so its hold stays, with its age: repeated beginnings
 * hold history no longer than one.
 *
 * Compaction takes the same advisory lock, so that it either sees a hold, or the hold is made above its floor.
 * @returns null when the client has been removed in the meantime
 */
export async function beginSnapshot(
  manager: EntityManager,
  client: SyncClient,
  buckets: readonly string[],
  changes: boolean,
  { duration, maxAge }: HoldTimes,
): Promise<bigint | null> {
  await limitIdleTime(manager);
  // The position comes before the other locks, as with compaction and the consumer.
  if (changes) await manager.query('UPDATE :sync.sync_wal_position SET last_seq = last_seq + 1');
  await manager.query('SELECT pg_advisory_xact_lock_shared($1)', [SNAPSHOT_HOLD_LOCK]);
  const rows: { checkpoint: string }[] = await manager.query(
    `UPDATE :sync.sync_clients c
        SET snapshot_seq = CASE WHEN ${LASTS} THEN least(c.snapshot_seq, p.last_seq) ELSE p.last_seq END,
            snapshot_began_at = ${BEGAN}, snapshot_expires_at = ${expiresSql(BEGAN, '$2', '$5')}, bucket_subs = $3,
            bucket_since = CASE WHEN $4 THEN '{}' ELSE c.bucket_since END,
            resync_seq = CASE WHEN $4 THEN p.last_seq ELSE c.resync_seq END
       FROM :sync.sync_wal_position p WHERE c.id = $1 RETURNING p.last_seq::text AS checkpoint`,
    [client.id, duration, buckets, changes, maxAge],
  );
  // Pending redeliveries stay: the device may never take the other pages.
  await manager.query('DELETE FROM :sync.sync_subscription_changes WHERE client = $1', [client.id]);
  const [row] = updated(rows);
  return row ? BigInt(row.checkpoint) : null;
}

/** Whether the hold of a client's earlier snapshot lasts. */
const LASTS = '(c.snapshot_expires_at > now() AND c.snapshot_seq >= greatest(p.floor_seq, p.epoch_seq))';

const BEGAN = `CASE WHEN ${LASTS} THEN c.snapshot_began_at ELSE now() END`;

function expiresSql(began: string, duration: string, maxAge: string): string {
  return `least(now() + ${duration}::float8 * interval '1 millisecond', (${began}) + ${maxAge}::float8 * interval '1 millisecond')`;
}

/**
 * Renews the hold of a snapshot in progress.
 * @returns false when there is none that covers the checkpoint
 */
export async function renewSnapshot(
  manager: EntityManager,
  client: SyncClient,
  checkpoint: bigint,
  times: HoldTimes,
): Promise<boolean> {
  return hold(manager, client, checkpoint, times, {
    seq: 'c.snapshot_seq',
    where: 'c.snapshot_seq <= $2 AND c.snapshot_expires_at > now()',
  });
}

/**
 * Takes the hold again of a snapshot that has paused for too long, or whose last answer was lost. The device has kept
 * the pages before, so it must not be given another checkpoint: what was deleted in between would stay with it. Where
 * history has gone meanwhile, the pull that follows says so, and the device starts over. So it does where the hold is
 * too old to be taken again.
 * @returns false when no such snapshot was ever begun: it has to start
 */
export async function resumeSnapshot(
  manager: EntityManager,
  client: SyncClient,
  checkpoint: bigint,
  times: HoldTimes,
): Promise<boolean> {
  await manager.query('SELECT pg_advisory_xact_lock_shared($1)', [SNAPSHOT_HOLD_LOCK]);
  return hold(manager, client, checkpoint, times, {
    seq: 'coalesce(c.snapshot_seq, $2)',
    where: `(c.snapshot_seq <= $2
      OR c.snapshot_seq IS NULL AND c.snapshot_completed_at IS NOT NULL AND c.last_pull_seq = $2)`,
  });
}

async function hold(
  manager: EntityManager,
  client: SyncClient,
  checkpoint: bigint,
  { duration, maxAge }: HoldTimes,
  { seq, where }: { readonly seq: string; readonly where: string },
): Promise<boolean> {
  const rows: unknown[] = await manager.query(
    `UPDATE :sync.sync_clients c
        SET snapshot_seq = ${seq}, snapshot_expires_at = ${expiresSql('c.snapshot_began_at', '$3', '$4')}
       FROM :sync.sync_wal_position p
      WHERE c.id = $1 AND $2::bigint <= p.last_seq AND ${where} RETURNING c.id`,
    [client.id, checkpoint.toString(), duration, maxAge],
  );
  return updated(rows).length > 0;
}

/** Key of the advisory lock between beginning snapshots (shared) and compaction (exclusive). */
export const SNAPSHOT_HOLD_LOCK = 91_110_044;

/** TypeORM answers an UPDATE with [rows, count]. */
function updated<Row>(result: Row[] | [Row[], number]): Row[] {
  const [first] = result;
  return Array.isArray(first) ? first : (result as Row[]);
}
