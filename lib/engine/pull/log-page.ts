import type { EntityManager } from 'typeorm';
import { envelopeTimestamp, parseTimestamp } from '../../common/timestamp.js';
import { Operation } from '../../replication/edge-diff.js';
import { clientBucket } from '../../replication/subscription-changes.js';
import { Statement } from '../../store/statement.js';
import type { SyncClient } from '../../store/sync-clients.js';
import { readBuckets } from './bucket-difference.js';

/** A record that the log mentions on one page, once, however often it does. */
export interface LoggedRecord {
  readonly table: string;
  readonly recordId: string;
  /** Seq of its first entry on the page. */
  readonly firstSeq: bigint;
  /** Latest time to serve among its entries; null when there is none. RFC 3339. */
  readonly servedAt: string | null;
  /** When its last entry was written. RFC 3339. */
  readonly loggedAt: string;
  /** It has a live edge in a bucket that the user reads: a change; otherwise a delete. */
  readonly member: boolean;
  /** It has but a dead edge there: it was soft-deleted, and is undeleted by now perhaps. */
  readonly mayReturn: boolean;
  /** It has no edge at all: it was deleted, and is made anew by now perhaps. */
  readonly mayBeMadeAnew: boolean;
  /** It came with a bucket that the client was to get, and nothing else is said of it: it was never given. */
  readonly onlyCame: boolean;
}

export interface LogPage {
  /** In the order of the log, by first mention. */
  readonly records: readonly LoggedRecord[];
  /** Seq of the page's last entry; null when there was none. */
  readonly lastSeq: bigint | null;
  /** Entries remain after the page. */
  readonly hasMore: boolean;
  /** The buckets that were read (see {@link readBuckets}). */
  readonly buckets: readonly string[];
}

export interface LogPageRequest {
  readonly checkpoint: bigint;
  /** High-water mark of the log in the same snapshot. */
  readonly lastSeq: bigint;
  /** Entries, not records. */
  readonly limit: number;
  /** What the user may read now. */
  readonly buckets: readonly string[];
  /** null: all. */
  readonly tables: readonly string[] | null;
}

/**
 * Reads the next entries of a client's buckets, merged from one index scan per bucket. The client has been read in the
 * same snapshot as the entries, as the consumer changes both together (interleavings 3). What a bucket that came to the
 * client had before is told by the client's own bucket, as far as it was still there: the rest its user never could see.
 */
export async function readLogPage(
  manager: EntityManager,
  client: SyncClient,
  { checkpoint, lastSeq, limit, buckets, tables }: LogPageRequest,
): Promise<LogPage> {
  const read = readBuckets(client, buckets);
  const after = read.map((bucket) => laterSeq(client.since.get(bucket) ?? null, checkpoint));
  const rows = await PAGE.run(manager, [
    clientBucket(client.id),
    checkpoint.toString(),
    read,
    limit,
    tables,
    lastSeq.toString(),
    after.map(String),
  ]);
  const last = rows.reduce<bigint | null>((seq, row) => laterSeq(seq, BigInt(row.last_seq)), null);
  return {
    records: rows.map((row) => ({
      table: row.table_name,
      recordId: row.record_id,
      firstSeq: BigInt(row.first_seq),
      servedAt: row.served_at && envelopeTimestamp(row.served_at),
      loggedAt: envelopeTimestamp(row.logged_at),
      member: row.live === true,
      mayReturn: row.live === false,
      mayBeMadeAnew: row.lost === true,
      onlyCame: row.only_came,
    })),
    lastSeq: last,
    hasMore: rows.some((row) => row.has_more),
    buckets: read,
  };
}

/** The later of two RFC 3339 times. */
export function laterTime(a: string, b: string | null): string {
  if (b === null) return a;
  return (parseTimestamp(b)?.micros ?? 0n) > (parseTimestamp(a)?.micros ?? 0n) ? b : a;
}

/**
 * A range of one bucket, as rows are compared, and an order by it, so that only the index of the buckets serves: else
 * PostgreSQL may walk the log by its primary key, millions of entries for a bucket without any, or sort all of a bucket.
 *
 * What is above the high-water mark ($6) is not committed yet: a million such entries, of rows that are moving into the
 * bucket right now, are not to be passed over one by one in each pull.
 *
 * Most records still have the edge that their entry is of: that one is looked for first, by its whole key. (OFFSET 0:
 * PostgreSQL would rather read all edges into a table of its own than be asked a thousand times whether there is one.)
 */
const PAGE = new Statement<PageRow>(`
WITH entry AS MATERIALIZED (
  SELECT e.* FROM unnest($3::text[] || $1::text, $7::bigint[] || $2::bigint) AS b (bucket_id, after_seq)
   CROSS JOIN LATERAL (
     SELECT l.seq, l.table_name, l.record_id, l.bucket_id, l.served_at, l.created_at,
            l.bucket_id = $1 AND l.operation = ${Operation.create} AS came FROM sync_changelog l
      WHERE (l.bucket_id, l.seq) > (b.bucket_id, b.after_seq) AND (l.bucket_id, l.seq) <= (b.bucket_id, $6::bigint)
        AND ($5::text[] IS NULL OR l.table_name = ANY($5::text[]))
      ORDER BY l.bucket_id, l.seq LIMIT $4::int + 1) AS e
   ORDER BY e.seq LIMIT $4::int + 1
), record AS (
  SELECT p.table_name, p.record_id, min(p.seq) AS first_seq, max(p.seq) AS last_seq, max(p.served_at) AS served_at,
         max(p.created_at) AS logged_at, bool_and(p.came) AS only_came, max(p.bucket_id) AS bucket_id
    FROM (SELECT * FROM entry ORDER BY seq LIMIT $4::int) AS p GROUP BY p.table_name, p.record_id
)
SELECT r.table_name, r.record_id, r.first_seq::text, r.last_seq::text, r.served_at::text,
       r.logged_at::text, (SELECT count(*) > $4::int FROM entry) AS has_more, r.only_came, r.live,
       CASE WHEN r.live IS NULL THEN NOT EXISTS (SELECT FROM sync_bucket_edges e
         WHERE e.table_name = r.table_name AND e.record_id = r.record_id OFFSET 0) END AS lost
  FROM (
    SELECT r.*,
           CASE WHEN r.bucket_id = ANY($3::text[]) AND EXISTS (SELECT FROM sync_bucket_edges e
                  WHERE e.table_name = r.table_name AND e.record_id = r.record_id AND e.bucket_id = r.bucket_id
                    AND e.live OFFSET 0)
                THEN true
                ELSE (SELECT bool_or(e.live) FROM sync_bucket_edges e
                  WHERE e.table_name = r.table_name AND e.record_id = r.record_id AND e.bucket_id = ANY($3::text[]))
           END AS live
      FROM record r OFFSET 0) AS r
 ORDER BY r.first_seq`);

interface PageRow {
  table_name: string;
  record_id: string;
  first_seq: string;
  last_seq: string;
  served_at: string | null;
  logged_at: string;
  has_more: boolean;
  only_came: boolean;
  /** null: it has no edge that the user reads. */
  live: boolean | null;
  /** It has no edge at all; null: it has one that the user reads. */
  lost: boolean | null;
}

function laterSeq(a: bigint | null, b: bigint): bigint {
  return a === null || b > a ? b : a;
}
