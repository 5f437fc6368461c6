import type { EntityManager } from 'typeorm';
import { formatLsn, type Lsn } from '../../common/lsn.js';
import { WORK_CHANNEL } from '../../common/work-channel.js';

/** Everything that was committed, and asked of the WAL consumer, up to one moment. */
export interface WalMark {
  readonly lsn: Lsn;
  /** The latest task. */
  readonly task: string;
  /** PostgreSQL's text. */
  readonly at: string;
}

/** Marks this moment. */
export async function markWal(manager: EntityManager): Promise<WalMark> {
  // Where the WAL is inserted, not where it is written: a commit may be asynchronous.
  const [row]: { lsn: string; task: string; at: string }[] = await manager.query(
    `SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text AS lsn, clock_timestamp()::text AS at,
            (SELECT coalesce(max(id), 0)::text FROM :sync.sync_consumer_tasks) AS task`,
  );
  return { lsn: BigInt(row?.lsn ?? 0), task: row?.task ?? '0', at: row?.at ?? '-infinity' };
}

/**
 * Notifies the consumer that a caller waits for this position, so that it stores the position immediately. The
 * notification is a commit of its own, so the WAL before it is flushed and sent. A device may name any position,
 * and the consumer would remember one that never comes: it is given none beyond the server's own.
 */
export async function announceMark(manager: EntityManager, lsn: Lsn): Promise<void> {
  await manager.query(
    `SELECT pg_notify($1, least($2::numeric, pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text)`,
    [WORK_CHANNEL, lsn.toString()],
  );
}

/** Whether the log has what was committed before a position in the WAL. */
export async function isLogAt(manager: EntityManager, lsn: Lsn): Promise<boolean> {
  const rows: unknown[] = await manager.query(
    'SELECT FROM :sync.sync_wal_position WHERE confirmed_lsn >= $1::bigint',
    [lsn.toString()],
  );
  return rows.length > 0;
}

/**
 * Whether all of it is in the changelog: commits, tasks, changed subscriptions, and a try of each rule failure
 * that was due.
 * @param tables those whose failures count, and the records to redeliver
 */
export async function isMarkReached(
  manager: EntityManager,
  { lsn, task, at }: WalMark,
  tables: readonly string[],
): Promise<boolean> {
  const [row]: { reached: boolean }[] = await manager.query(
    `SELECT p.confirmed_lsn >= $1::bigint
            AND NOT EXISTS (SELECT FROM :sync.sync_consumer_tasks WHERE id <= $2::bigint AND coalesce(due_at <= $3::timestamptz, true)
                  AND (kind = 'reresolve' OR table_name = ANY($4::text[])))
            AND NOT EXISTS (SELECT FROM :sync.sync_subscription_changes WHERE created_at <= $3::timestamptz)
            AND NOT EXISTS (SELECT FROM :sync.sync_rule_failures WHERE resolved_at IS NULL
                  AND retry_at <= $3::timestamptz AND table_name = ANY($4::text[])) AS reached
       FROM :sync.sync_wal_position p`,
    [lsn.toString(), task, at, tables],
  );
  return row?.reached ?? false;
}

/** Why a mark is not reached, for people. */
export async function describeProgress(manager: EntityManager, { lsn, task }: WalMark): Promise<string> {
  const [row]: { confirmed: string | null; tasks: number; active: boolean | null }[] = await manager.query(
    `SELECT p.confirmed_lsn::text AS confirmed, s.active,
            (SELECT count(*)::int FROM :sync.sync_consumer_tasks
              WHERE id <= $1::bigint AND coalesce(due_at <= now(), true)) AS tasks
       FROM (SELECT) AS one LEFT JOIN :sync.sync_wal_position p ON true
       LEFT JOIN pg_replication_slots s ON s.slot_name = p.slot_name`,
    [task],
  );
  if (row === undefined || row.confirmed === null) return 'the WAL consumer has not run yet';
  const consumer = row.active === true ? 'an instance consumes' : 'no instance consumes';
  const position = `it is at ${formatLsn(BigInt(row.confirmed))}, ${formatLsn(lsn)} was asked for`;
  return `${consumer}; ${position}; ${row.tasks} tasks are left`;
}
