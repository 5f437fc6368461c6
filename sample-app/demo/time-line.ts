import type { DataSource } from 'typeorm';
import { DEMO_BUCKETS } from './demo-users.js';

/** One transaction of the changelog's. Times are milliseconds since 1970 by PostgreSQL's clock. */
export interface TimeLineEntry {
  /** Of its last entry: a device whose checkpoint is as far as this has pulled it. */
  readonly seq: number;
  readonly firstSeq: number;
  /** When the first of the changes was committed; null where PostgreSQL does not say. */
  readonly committedAt: number | null;
  readonly loggedAt: number;
  readonly records: readonly TimeLineRecord[];
}

interface TimeLineRecord {
  readonly table: string;
  readonly id: string;
  readonly isDelete: boolean;
  /** Its title or text; null where there is no such row any more. */
  readonly label: string | null;
}

interface LoggedRow {
  readonly transaction: string;
  readonly seq: number;
  readonly first_seq: number;
  readonly table_name: string;
  readonly record_id: string;
  readonly is_delete: boolean;
  readonly label: string | null;
  readonly committed_at: number | null;
  readonly logged_at: number;
}

const MAX_ENTRIES = 200;

/** What the changelog has of the page's users after `seq`, oldest first; of much, the newest. */
export async function readTimeLine(dataSource: DataSource, after: number): Promise<readonly TimeLineEntry[]> {
  const [setting]: { track_commit_timestamp: string }[] = await dataSource.query(
    'SHOW track_commit_timestamp',
  );
  const rows: LoggedRow[] = await dataSource.query(timeLineSql(setting?.track_commit_timestamp === 'on'), [
    after,
    DEMO_BUCKETS,
  ]);
  const transactions = new Map<string, LoggedRow[]>();
  for (const row of rows) {
    transactions.set(row.transaction, [...(transactions.get(row.transaction) ?? []), row]);
  }
  return [...transactions.values()].map(entryOf).toSorted((a, b) => a.seq - b.seq);
}

function entryOf(rows: readonly LoggedRow[]): TimeLineEntry {
  const commits = rows.flatMap(({ committed_at: at }) => at ?? []);
  return {
    seq: Math.max(...rows.map(({ seq }) => seq)),
    firstSeq: Math.min(...rows.map(({ first_seq: seq }) => seq)),
    committedAt: commits.length === 0 ? null : Math.min(...commits),
    loggedAt: Math.min(...rows.map(({ logged_at: at }) => at)),
    records: rows.map(({ table_name: table, record_id: id, is_delete: isDelete, label }) => ({
      table,
      id,
      isDelete,
      label,
    })),
  };
}

/**
 * A row has the transaction that wrote it last (`xmin`), and PostgreSQL the time of its commit, with
 * `track_commit_timestamp = on`. It is the commit of the logged change only if it lies between the row's last entry and
 * this one: the log has entries for other reasons, too, such as a share that is gone.
 */
function timeLineSql(hasCommitTimes: boolean): string {
  const committed = (table: string): string =>
    hasCommitTimes ? `pg_xact_commit_timestamp(${table}.xmin)` : 'NULL::timestamptz';
  const logged = (table: string): string => `coalesce(${committed(table)}, ${table}.created_at)`;
  return `WITH fresh AS (
      SELECT c.xmin::text AS transaction, c.table_name, c.record_id, c.operation, c.seq, ${logged('c')} AS logged_at
        FROM sync_changelog c
       WHERE c.seq > $1 AND c.bucket_id = ANY($2::text[])
       ORDER BY c.seq DESC LIMIT ${MAX_ENTRIES}
    ), changed AS (
      SELECT transaction, table_name, record_id, max(seq) AS seq, min(seq) AS first_seq,
             min(logged_at) AS logged_at, bool_and(operation = 3) AS is_delete
        FROM fresh GROUP BY transaction, table_name, record_id
    ), row_times AS (
      SELECT 'tasks' AS table_name, t.id::text AS record_id, t.title AS label, ${committed('t')} AS committed_at
        FROM tasks t WHERE t.id::text IN (SELECT record_id FROM changed)
      UNION ALL
      SELECT 'comments', m.id::text, m.body, ${committed('m')}
        FROM comments m WHERE m.id::text IN (SELECT record_id FROM changed)
      UNION ALL
      SELECT 'tasks', s.task_id::text, NULL, ${committed('s')}
        FROM task_shares s WHERE s.task_id::text IN (SELECT record_id FROM changed)
    )
    SELECT e.transaction, e.seq::float8 AS seq, e.first_seq::float8 AS first_seq, e.table_name, e.record_id, e.is_delete,
           ${milliseconds('e.logged_at')} AS logged_at, max(r.label) AS label,
           ${milliseconds(`min(r.committed_at) FILTER (
             WHERE r.committed_at <= e.logged_at AND (b.logged_at IS NULL OR r.committed_at > b.logged_at))`)} AS committed_at
      FROM changed e
      LEFT JOIN row_times r USING (table_name, record_id)
      LEFT JOIN LATERAL (
        SELECT max(${logged('p')}) AS logged_at FROM sync_changelog p
         WHERE p.table_name = e.table_name AND p.record_id = e.record_id AND p.seq < e.first_seq
           AND p.xmin::text <> e.transaction
      ) b ON true
     GROUP BY e.transaction, e.seq, e.first_seq, e.table_name, e.record_id, e.is_delete, e.logged_at, b.logged_at`;
}

/** An SQL expression: milliseconds since 1970. */
function milliseconds(time: string): string {
  return `(extract(epoch FROM ${time}) * 1000)::float8`;
}
