import { clientBucket } from '../common/canonical-id.js';
import type { ChangelogTransaction } from '../store/changelog/changelog-transaction.js';
import { LOG_REACHED_AFTER_LSN } from '../store/changelog/wal-position.js';
import { Operation } from '../store/changelog/operation.js';

/** The pending subscription change of one client. */
interface SubscriptionChange {
  readonly client: string;
  /** Buckets that come. */
  readonly coming: readonly string[];
  /** Buckets that leave. */
  readonly leaving: readonly string[];
  /** Those that have been read; for each the seq from where on it is not any more, and where the log stood when it was. */
  readonly given: readonly string[];
  readonly from: readonly string[];
  readonly served: readonly string[];
  /**
   * Needed entries have been compacted away, or are of another epoch; or the log can't say which rows of a leaving
   * bucket the client has pushed itself.
   */
  readonly tooLate: boolean;
}

/**
 * Applies the subscription changes that pulls left behind (interleavings 3): entries for what comes into and
 * goes out of a client's view, in that client's own bucket, together with its stored subscriptions.
 * @param maxRows above this many rows the client is sent to a snapshot instead
 * @returns the number of clients
 */
export async function applySubscriptionChanges(tx: ChangelogTransaction, maxRows: number): Promise<number> {
  const { rows } = await tx.query<SubscriptionChange>(CHANGES);
  for (const change of rows) {
    const since = tx.lastSeq;
    const needsSnapshot =
      change.tooLate ||
      (await exceeds(tx, change, maxRows)) ||
      !(await tx.succeeds(() => appendDifference(tx, change)));
    const resync = needsSnapshot ? tx.mark() : 0n;
    await tx.query(
      `UPDATE :sync.sync_clients
          SET bucket_subs = ARRAY(SELECT unnest(bucket_subs) EXCEPT SELECT unnest($2::text[])) || $3::text[],
              bucket_since = (bucket_since - $2::text[])
                || coalesce((SELECT jsonb_object_agg(b, $5::text) FROM unnest($3::text[]) AS b), '{}'),
              resync_seq = greatest(resync_seq, $4::bigint), updated_at = now()
        WHERE id = $1`,
      [change.client, change.leaving, change.coming, resync.toString(), since.toString()],
    );
  }
  return rows.length;
}

/**
 * Appends deletes of leaving buckets, then creates of coming ones. A row that stays in view by another bucket gets a
 * delete, too: the device may not have that bucket's entry yet. A pull serves such a row as it is.
 */
async function appendDifference(tx: ChangelogTransaction, change: SubscriptionChange): Promise<void> {
  const bucket = clientBucket(change.client);
  if (change.given.length > 0)
    await tx.appendSelect(
      `SELECT $4, table_name, record_id, ${Operation.delete}, NULL::timestamptz FROM (${GONE}) gone`,
      [change.given, change.from, change.served, bucket],
    );
  if (change.coming.length > 0)
    await tx.appendSelect(
      `SELECT $1, table_name, record_id, ${Operation.create},
              greatest(clock_timestamp(), max(row_updated_at) + interval '1 millisecond')
         FROM :sync.sync_bucket_edges WHERE bucket_id = ANY($2::text[]) AND live GROUP BY table_name, record_id`,
      [bucket, change.coming],
    );
}

async function exceeds(
  tx: ChangelogTransaction,
  { coming, given, from }: SubscriptionChange,
  maxRows: number,
): Promise<boolean> {
  const { rows } = await tx.query<{ n: string }>(
    `SELECT count(*) AS n FROM (
       SELECT FROM :sync.sync_bucket_edges WHERE bucket_id = ANY($1::text[]) AND live
       UNION ALL SELECT FROM unnest($2::text[], $3::bigint[]) AS g (bucket_id, from_seq)
         JOIN :sync.sync_changelog l ON l.bucket_id = g.bucket_id AND l.seq > g.from_seq
       LIMIT $4) e`,
    [[...coming, ...given], given, from, maxRows + 1],
  );
  return Number(rows[0]?.n ?? 0) > maxRows;
}

/**
 * The client's row is locked first, as by everything that changes subscriptions. A bucket comes to a client when the
 * log has everything that was committed before.
 */
const CHANGES = `
WITH client AS MATERIALIZED (
  SELECT id FROM :sync.sync_clients WHERE id IN (SELECT client FROM :sync.sync_subscription_changes WHERE ${LOG_REACHED_AFTER_LSN})
   ORDER BY id FOR NO KEY UPDATE
), change AS (
  DELETE FROM :sync.sync_subscription_changes s USING client WHERE s.client = client.id AND ${LOG_REACHED_AFTER_LSN} RETURNING s.*
)
SELECT c.client, coalesce(array_agg(c.bucket_id) FILTER (WHERE c.from_seq IS NULL), '{}') AS coming,
       coalesce(array_agg(c.bucket_id) FILTER (WHERE c.from_seq IS NOT NULL), '{}') AS leaving,
       coalesce(array_agg(c.bucket_id) FILTER (WHERE c.given), '{}') AS given,
       coalesce(array_agg(c.from_seq::text) FILTER (WHERE c.given), '{}') AS "from",
       coalesce(array_agg(c.served_seq::text) FILTER (WHERE c.given), '{}') AS served,
       bool_or(c.unlogged) OR
         coalesce(min(c.from_seq) FILTER (WHERE c.given) < (SELECT floor_seq FROM :sync.sync_wal_position), false) AS "tooLate"
  FROM change c GROUP BY c.client`;

/**
 * The rows that a client may hold by buckets that it has read and that leave it ($1, from $2, served $3). Such a row
 * was in the bucket when the client stopped reading it: the first entry after that doesn't create it, or there is no
 * entry and its edge is still there. Or it came before the client last got rows, which are read as they are, ahead of
 * the log. Rows that came later are not for this user.
 */
const GONE = `
WITH leaving AS (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS g (bucket_id, from_seq, served_seq)
), first AS MATERIALIZED (
  SELECT DISTINCT ON (l.bucket_id, l.table_name, l.record_id) l.bucket_id, l.table_name, l.record_id,
         l.operation = ${Operation.create} AND l.seq > g.served_seq AS unseen
    FROM leaving g JOIN :sync.sync_changelog l ON l.bucket_id = g.bucket_id AND l.seq > g.from_seq
   ORDER BY l.bucket_id, l.table_name, l.record_id, l.seq
)
SELECT table_name, record_id FROM first WHERE NOT unseen
UNION
SELECT e.table_name, e.record_id FROM leaving g JOIN :sync.sync_bucket_edges e ON e.bucket_id = g.bucket_id AND e.live
 WHERE NOT EXISTS (SELECT FROM first f WHERE f.bucket_id = e.bucket_id AND f.table_name = e.table_name
                      AND f.record_id = e.record_id)`;
