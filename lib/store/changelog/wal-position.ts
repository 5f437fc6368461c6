import type { ClientBase } from 'pg';
import type { Lsn } from '../../common/lsn.js';

/** Where the log stands, as stored. */
export interface WalPosition {
  readonly slotName: string;
  readonly confirmedLsn: Lsn;
  /** High-water mark: the last seq ever issued. */
  readonly lastSeq: bigint;
  /** First seq of the current epoch; a checkpoint before it needs a snapshot. */
  readonly epochSeq: bigint;
  /** null: the position is void, or the reference server's. */
  readonly systemId: string | null;
  readonly timeline: number | null;
}

/** For rows with an `after_lsn`: whether what was committed before that is in the changelog. */
export const LOG_REACHED_AFTER_LSN = `coalesce(after_lsn <= (SELECT confirmed_lsn FROM :sync.sync_wal_position), true)`;

/** Forgets positions ahead of the server's own: they are another server's, and would never be reached. */
export async function forgetForeignPositions(client: ClientBase): Promise<void> {
  const waiting = [
    [':sync.sync_subscription_changes', 'after_lsn'],
    [':sync.sync_consumer_tasks', 'after_lsn'],
    [':sync.sync_clients', 'pushed_lsn'],
    [':sync.sync_clients', 'shared_lsn'],
  ] as const;
  for (const [table, lsn] of waiting)
    await client.query(
      `UPDATE ${table} SET ${lsn} = NULL WHERE ${lsn} > pg_current_wal_insert_lsn() - '0/0'::pg_lsn`,
    );
}

/** Distance between epochs: more than one epoch can ever issue. */
const EPOCH_STEP = 1n << 32n;

const POSITION = `SELECT slot_name, confirmed_lsn::text, last_seq::text, epoch_seq::text, system_id, timeline,
    pg_current_snapshot()::text AS snapshot,
    (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS begun_at FROM :sync.sync_wal_position`;

/**
 * Takes the position's row until the transaction ends, as every appender does before its first seq.
 * @returns it with what the transaction can see (`pg_snapshot` text), and the server's time in microseconds; null
 *   before the first start
 */
export async function lockPosition(
  client: ClientBase,
): Promise<{ readonly position: WalPosition; readonly snapshot: string; readonly begunAt: bigint } | null> {
  const { rows } = await client.query<PositionRow>({ name: 'lock_position', text: `${POSITION} FOR UPDATE` });
  const [row] = rows;
  return row ? { position: toPosition(row), snapshot: row.snapshot, begunAt: BigInt(row.begun_at) } : null;
}

/** The stored position, or null before the first start. */
export async function readPosition(client: ClientBase): Promise<WalPosition | null> {
  const { rows } = await client.query<PositionRow>(POSITION);
  return rows[0] ? toPosition(rows[0]) : null;
}

/** Says that nothing is to be read by the stored position and what goes with it, until an epoch starts. */
export async function voidPosition(client: ClientBase): Promise<void> {
  await client.query('UPDATE :sync.sync_wal_position SET system_id = NULL');
}

/**
 * Stores where a new slot begins, within the caller's transaction. After the first time this starts an epoch:
 * what happened in between is unknown, so every device that holds an older checkpoint takes a snapshot.
 */
export async function startEpoch(
  client: ClientBase,
  start: Pick<WalPosition, 'slotName' | 'confirmedLsn' | 'systemId' | 'timeline'>,
  previous: WalPosition | null,
): Promise<WalPosition> {
  const lastSeq = previous === null ? 1n : previous.lastSeq + EPOCH_STEP;
  const epochSeq = previous === null ? 0n : lastSeq;
  await client.query('DELETE FROM :sync.sync_wal_position');
  await client.query(
    `INSERT INTO :sync.sync_wal_position (slot_name, confirmed_lsn, last_seq, epoch_seq, floor_seq, system_id, timeline)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      start.slotName,
      start.confirmedLsn.toString(),
      lastSeq.toString(),
      epochSeq.toString(),
      epochSeq.toString(),
      start.systemId,
      start.timeline,
    ],
  );
  return { ...start, lastSeq, epochSeq };
}

interface PositionRow {
  slot_name: string;
  confirmed_lsn: string;
  last_seq: string;
  epoch_seq: string;
  system_id: string | null;
  timeline: number | null;
  snapshot: string;
  begun_at: string;
}

function toPosition(row: PositionRow): WalPosition {
  return {
    slotName: row.slot_name,
    confirmedLsn: BigInt(row.confirmed_lsn),
    lastSeq: BigInt(row.last_seq),
    epochSeq: BigInt(row.epoch_seq),
    systemId: row.system_id,
    timeline: row.timeline,
  };
}
