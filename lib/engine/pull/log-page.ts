import type { EntityManager } from 'typeorm';
import { Operation } from '../../store/changelog/operation.js';
import { clientBucket } from '../../common/canonical-id.js';
import { PreparedStatement } from '../../database/statement.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import { readBuckets } from './bucket-difference.js';

/** How a record stands to the user, by the edges that it has. */
export const Standing = {
  /** A live edge in a bucket that the user reads: a change; otherwise a delete. */
  member: 1,
  /** But a dead one there: it was soft-deleted, and is undeleted by now perhaps. */
  dead: 2,
  /** No edge in a bucket that the user reads, but edges in others. */
  otherBuckets: 3,
  /** No edge at all: the record was deleted, and may exist again by now. */
  noEdges: 4,
  /** It came with a bucket that the client was to get, and nothing else is said of it: it was never given. */
  neverServed: 5,
} as const;
export type Standing = (typeof Standing)[keyof typeof Standing];

/**
 * Records that the log mentions on one page, each once, however often it does: of one table and standing, in the order
 * of the log by first mention. Arrays are as PostgreSQL writes them.
 */
export interface LoggedRecords {
  readonly table: string;
  readonly standing: Standing;
  /** Of members a `text[]`, else JSON. */
  readonly ids: string;
  /** `bigint[]`, of each record's first entry on the page. */
  readonly seqs: string;
  /** `timestamptz[]`, the latest time to serve among each record's entries; null where no entry has any. */
  readonly servedAt: string | null;
}

export interface LogPage {
  readonly records: readonly LoggedRecords[];
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
  /** The buckets that the user may read now. */
  readonly buckets: readonly string[];
  /** null: all. */
  readonly tables: readonly string[] | null;
}

/**
 * Reads the next entries of a client's buckets, merged from one index scan per bucket. The client is read in the same
 * snapshot as the entries, as the consumer changes both together (interleavings 3). Rows that were in a bucket before
 * it came to the client have entries in the client's own bucket; rows that had left it by then are not for its user.
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
  return {
    records: rows,
    lastSeq: rows.reduce<bigint | null>((seq, row) => laterSeq(seq, BigInt(row.lastSeq)), null),
    hasMore: rows.some((row) => row.hasMore),
    buckets: read,
  };
}

/** The seqs of an array as PostgreSQL writes it. */
export function parseSeqs(array: string): readonly bigint[] {
  return array.slice(1, -1).split(',').map(BigInt);
}

/** From this number on, an estimate of the page's end pays. */
const MANY_BUCKETS = 5;

/**
 * Each bucket is read by a row range of the index, in the index's order: otherwise PostgreSQL may walk the log by its
 * primary key, millions of entries for a bucket without any, or sort all of a bucket.
 *
 * Entries above the high-water mark ($6) are not committed yet. The range ends there, so that no pull skips a million
 * of them one by one while rows are moving into the bucket.
 *
 * With many buckets, the first few entries of each bound the end of the page. Otherwise each bucket would be read for
 * a whole page.
 *
 * Most records still have the edge of their entry, so that one is read first, by its whole key. (OFFSET 0 makes
 * PostgreSQL probe the index a thousand times, where it would hash all edges.)
 */
const PAGE = new PreparedStatement<PageRow>(`
WITH bucket AS (
  SELECT * FROM unnest($3::text[] || $1::text, $7::bigint[] || $2::bigint) AS b (bucket_id, after_seq)
), last AS (
  SELECT coalesce(
    CASE WHEN $5::text[] IS NULL AND cardinality($3::text[]) >= ${MANY_BUCKETS} THEN (
      SELECT e.seq FROM bucket AS b
       CROSS JOIN LATERAL (
         SELECT l.seq FROM :sync.sync_changelog l
          WHERE (l.bucket_id, l.seq) > (b.bucket_id, b.after_seq) AND (l.bucket_id, l.seq) <= (b.bucket_id, $6::bigint)
          ORDER BY l.bucket_id, l.seq LIMIT $4::int / cardinality($3::text[]) + 8) AS e
       ORDER BY e.seq OFFSET $4::int LIMIT 1) END, $6::bigint) AS seq
), entry AS MATERIALIZED (
  SELECT e.* FROM bucket AS b CROSS JOIN last
   CROSS JOIN LATERAL (
     SELECT l.seq, l.table_name, l.record_id, l.bucket_id, l.served_at,
            l.bucket_id = $1 AND l.operation = ${Operation.create} AS came FROM :sync.sync_changelog l
      WHERE (l.bucket_id, l.seq) > (b.bucket_id, b.after_seq) AND (l.bucket_id, l.seq) <= (b.bucket_id, last.seq)
        AND ($5::text[] IS NULL OR l.table_name = ANY($5::text[]))
      ORDER BY l.bucket_id, l.seq LIMIT $4::int + 1) AS e
   ORDER BY e.seq LIMIT $4::int + 1
), record AS (
  SELECT p.table_name, p.record_id, min(p.seq) AS first_seq, max(p.seq) AS last_seq, max(p.served_at) AS served_at,
         bool_and(p.came) AS only_came, max(p.bucket_id) AS bucket_id
    FROM (SELECT * FROM entry ORDER BY seq LIMIT $4::int) AS p GROUP BY p.table_name, p.record_id
)
SELECT r.table_name AS "table", r.standing, max(r.last_seq)::text AS "lastSeq",
       (SELECT count(*) > $4::int FROM entry) AS "hasMore",
       CASE WHEN r.standing = ${Standing.member} THEN array_agg(r.record_id ORDER BY r.first_seq)::text
            ELSE to_json(array_agg(r.record_id ORDER BY r.first_seq))::text END AS ids,
       array_agg(r.first_seq ORDER BY r.first_seq)::text AS seqs,
       CASE WHEN count(r.served_at) > 0 THEN array_agg(r.served_at ORDER BY r.first_seq)::text END AS "servedAt"
  FROM (
    SELECT r.*,
           CASE WHEN r.live THEN ${Standing.member}
                WHEN r.only_came THEN ${Standing.neverServed}
                WHEN NOT r.live THEN ${Standing.dead}
                WHEN EXISTS (SELECT FROM :sync.sync_bucket_edges e
                  WHERE e.table_name = r.table_name AND e.record_id = r.record_id OFFSET 0) THEN ${Standing.otherBuckets}
                ELSE ${Standing.noEdges} END AS standing
      FROM (
        SELECT r.*,
               CASE WHEN r.bucket_id = ANY($3::text[]) AND (SELECT e.live FROM :sync.sync_bucket_edges e
                      WHERE e.table_name = r.table_name AND e.record_id = r.record_id AND e.bucket_id = r.bucket_id)
                    THEN true
                    ELSE (SELECT bool_or(e.live) FROM :sync.sync_bucket_edges e
                      WHERE e.table_name = r.table_name AND e.record_id = r.record_id AND e.bucket_id = ANY($3::text[]))
               END AS live
          FROM record r OFFSET 0) AS r OFFSET 0) AS r
 GROUP BY r.standing, r.table_name`);

interface PageRow extends LoggedRecords {
  readonly lastSeq: string;
  readonly hasMore: boolean;
}

function laterSeq(a: bigint | null, b: bigint): bigint {
  return a === null || b > a ? b : a;
}
