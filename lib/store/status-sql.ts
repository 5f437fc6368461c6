import type { EntityManager } from 'typeorm';

/** The stored state of sync. 64-bit numbers are text. */
export interface StoredStatus {
  /** null before the first start. */
  readonly slotName: string | null;
  readonly lastSeq: string | null;
  readonly floorSeq: string | null;
  readonly epochSeq: string | null;
  readonly active: boolean | null;
  readonly walStatus: string | null;
  readonly safeWalSize: string | null;
  readonly retainedBytes: string | null;
  /** The position to which the lag is measured. */
  readonly lsn: string;
  /** WAL between the stored position and {@link lsn}. */
  readonly lagBytes: string | null;
  /** Since what was applied last was committed. */
  readonly secondsSinceApplied: number | null;
  readonly openFailures: number;
  readonly waitingRows: number;
  readonly parkedRows: number;
  readonly refusedChanges: number;
  readonly latestRefused: readonly {
    readonly table: string;
    readonly recordId: string;
    readonly error: string;
    readonly refusedAt: string;
  }[];
  readonly tasks: number;
}

/** Rows are counted up to here: a backlog must not make its own alarm slow. */
const COUNTED_ROWS = 10_000;

const REFUSED = ':sync.sync_push_failures WHERE refused_at IS NOT NULL';
const LATEST_REFUSED = `(SELECT coalesce(json_agg(r), '[]') FROM (
    SELECT table_name AS "table", record_id AS "recordId", error, refused_at AS "refusedAt"
      FROM ${REFUSED} ORDER BY refused_at DESC LIMIT 5) r)`;

/** @param lsn what the lag is measured to, bytes; null: the end of the WAL */
export async function readStatus(
  manager: EntityManager,
  slotName: string,
  lsn: string | null,
): Promise<StoredStatus> {
  const rows: StoredStatus[] = await manager.query(
    `SELECT p.slot_name AS "slotName", p.last_seq::text AS "lastSeq", p.floor_seq::text AS "floorSeq",
            p.epoch_seq::text AS "epochSeq", s.active, s.wal_status AS "walStatus",
            s.safe_wal_size::text AS "safeWalSize",
            (pg_current_wal_insert_lsn() - s.restart_lsn)::text AS "retainedBytes",
            here.lsn::text AS lsn, 
            (CASE WHEN p.slot_name IS NOT NULL THEN greatest(here.lsn - p.confirmed_lsn, 0) END)::text AS "lagBytes",
            extract(epoch FROM clock_timestamp() - p.applied_until)::float8 AS "secondsSinceApplied",
            ${counted(':sync.sync_rule_failures WHERE resolved_at IS NULL')} AS "openFailures",
            ${counted(':sync.sync_waiting_rows')} AS "waitingRows", ${counted(':sync.sync_parked_rows')} AS "parkedRows",
            ${counted(REFUSED)} AS "refusedChanges", ${LATEST_REFUSED} AS "latestRefused",
            ${counted(':sync.sync_consumer_tasks')} AS tasks
       FROM (SELECT coalesce($2::numeric, pg_current_wal_insert_lsn() - '0/0'::pg_lsn) AS lsn) AS here
       LEFT JOIN :sync.sync_wal_position p ON true
       LEFT JOIN pg_replication_slots s ON s.slot_name = coalesce(p.slot_name, $1)`,
    [slotName, lsn],
  );
  const [row] = rows;
  if (!row) throw new RangeError('a row was expected');
  return row;
}

function counted(rows: string): string {
  return `(SELECT count(*)::int FROM (SELECT FROM ${rows} LIMIT ${COUNTED_ROWS}) r)`;
}
