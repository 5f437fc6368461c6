import type { EntityManager } from 'typeorm';
import { PreparedStatement } from '../../database/statement.js';

/** Where the log ends, as those look who wait for it to grow. */
export interface LogHead {
  /** High-water mark: the last seq ever issued. */
  readonly lastSeq: bigint;
  /** Below it, history was compacted away. */
  readonly floorSeq: bigint;
  /** How old the newest change is that the log has, milliseconds. */
  readonly age: number;
  /** The last of `sync_disconnects`. */
  readonly disconnect: bigint;
  /** The entries since an earlier head. */
  readonly entries: NewEntries;
}

export interface NewEntries {
  /** Bucket → seq of its last entry. */
  readonly buckets: ReadonlyMap<string, bigint>;
  readonly count: bigint;
}

/**
 * @param from the high-water mark of the earlier head
 * @param most the seqs since then above which no entries are read
 * @returns null before the first start of a WAL consumer
 */
export async function readLogHead(
  manager: EntityManager,
  from: bigint,
  most: bigint,
): Promise<LogHead | null> {
  const [row] = await HEAD.run(manager, [from.toString(), most.toString()]);
  if (!row) return null;
  const lasts = row.buckets ?? {};
  return {
    lastSeq: BigInt(row.last_seq),
    floorSeq: BigInt(row.floor_seq),
    age: Number(row.age) / 1_000,
    disconnect: BigInt(row.disconnect),
    entries: {
      buckets: new Map(Object.entries(lasts).map(([bucket, last]) => [bucket, BigInt(last)])),
      count: BigInt(row.entries),
    },
  };
}

const HEAD = new PreparedStatement<{
  readonly last_seq: string;
  readonly floor_seq: string;
  readonly age: string;
  readonly disconnect: string;
  readonly buckets: Readonly<Record<string, string>> | null;
  readonly entries: string;
}>(
  `SELECT p.last_seq::text, p.floor_seq::text,
          (extract(epoch FROM clock_timestamp() - p.applied_until) * 1000000)::bigint::text AS age,
          (SELECT coalesce(max(id), 0)::text FROM :sync.sync_disconnects) AS disconnect,
          since.buckets, since.entries
     FROM :sync.sync_wal_position p
    CROSS JOIN LATERAL (
      SELECT json_object_agg(bucket_id, last) AS buckets, coalesce(sum(entries), 0)::text AS entries FROM (
        SELECT bucket_id, max(seq)::text AS last, count(*) AS entries FROM :sync.sync_changelog
         WHERE seq > $1::bigint AND seq <= p.last_seq AND p.last_seq - $1::bigint <= $2::bigint
         GROUP BY bucket_id) AS bucket) AS since`,
);
