import type { ChangelogTransaction } from '../store/changelog-transaction.js';
import { Operation } from './edge-diff.js';

/** The bucket that only one client reads. */
export function clientBucket(clientRowId: string): string {
  return `client:${clientRowId}`;
}

/**
 * Applies the subscription changes that pulls left behind (interleavings 3): entries for what comes into and
 * goes out of a client's view, in that client's own bucket, together with its stored subscriptions.
 * @param maxRows above this many rows the client is sent to a snapshot instead
 * @returns the number of clients
 */
export async function applySubscriptionChanges(tx: ChangelogTransaction, maxRows: number): Promise<number> {
  const { rows } = await tx.query<{ client: string; wanted: string[]; stored: string[] }>(
    `WITH change AS (DELETE FROM sync_subscription_changes RETURNING client, buckets)
     SELECT change.client, change.buckets AS wanted, c.bucket_subs AS stored
       FROM change JOIN sync_clients c ON c.id = change.client`,
  );
  for (const { client, wanted, stored } of rows) {
    const added = wanted.filter((bucket) => !stored.includes(bucket));
    const removed = stored.filter((bucket) => !wanted.includes(bucket));
    const tooMany = await exceeds(tx, [...added, ...removed], maxRows);
    if (!tooMany) {
      await tx.appendSelect(
        `SELECT DISTINCT $1, table_name, record_id, ${Operation.delete}, NULL::timestamptz
           FROM sync_bucket_edges e
          WHERE bucket_id = ANY($2::text[]) AND live AND NOT EXISTS (
            SELECT FROM sync_bucket_edges o WHERE o.table_name = e.table_name AND o.record_id = e.record_id
               AND o.bucket_id = ANY($3::text[]) AND o.live)`,
        [clientBucket(client), removed, wanted],
      );
      await tx.appendSelect(
        `SELECT $1, table_name, record_id, ${Operation.create},
                greatest(clock_timestamp(), max(row_updated_at) + interval '1 millisecond')
           FROM sync_bucket_edges WHERE bucket_id = ANY($2::text[]) AND live GROUP BY table_name, record_id`,
        [clientBucket(client), added],
      );
    }
    await tx.query(
      `UPDATE sync_clients SET bucket_subs = $2, updated_at = now(),
              snapshot_completed_at = CASE WHEN $3 THEN NULL ELSE snapshot_completed_at END
        WHERE id = $1`,
      [client, wanted, tooMany],
    );
  }
  return rows.length;
}

async function exceeds(
  tx: ChangelogTransaction,
  buckets: readonly string[],
  maxRows: number,
): Promise<boolean> {
  const { rows } = await tx.query<{ n: string }>(
    `SELECT count(*) AS n FROM (SELECT FROM sync_bucket_edges WHERE bucket_id = ANY($1::text[]) AND live LIMIT $2) e`,
    [buckets, maxRows + 1],
  );
  return Number(rows[0]?.n ?? 0) > maxRows;
}
