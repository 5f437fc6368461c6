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
}

/** @returns null before the first start of a WAL consumer */
export async function readLogHead(manager: EntityManager): Promise<LogHead | null> {
  const [row] = await HEAD.run(manager, []);
  if (!row) return null;
  return {
    lastSeq: BigInt(row.last_seq),
    floorSeq: BigInt(row.floor_seq),
    age: Number(row.age) / 1_000,
    disconnect: BigInt(row.disconnect),
  };
}

/** The entries appended between two heads. */
export interface NewEntries {
  /** Bucket → seq of its last entry. */
  readonly buckets: ReadonlyMap<string, bigint>;
  readonly count: bigint;
}

/** @param to included */
export async function readNewEntries(manager: EntityManager, from: bigint, to: bigint): Promise<NewEntries> {
  const rows = await BUCKETS.run(manager, [from.toString(), to.toString()]);
  return {
    buckets: new Map(rows.map(({ bucket_id: bucket, last }) => [bucket, BigInt(last)])),
    count: rows.reduce((sum, { entries }) => sum + BigInt(entries), 0n),
  };
}

const HEAD = new PreparedStatement<{
  readonly last_seq: string;
  readonly floor_seq: string;
  readonly age: string;
  readonly disconnect: string;
}>(
  `SELECT last_seq::text, floor_seq::text,
          (extract(epoch FROM clock_timestamp() - applied_until) * 1000000)::bigint::text AS age,
          (SELECT coalesce(max(id), 0)::text FROM :sync.sync_disconnects) AS disconnect
     FROM :sync.sync_wal_position`,
);

const BUCKETS = new PreparedStatement<{
  readonly bucket_id: string;
  readonly last: string;
  readonly entries: string;
}>(
  `SELECT bucket_id, max(seq)::text AS last, count(*)::text AS entries
     FROM :sync.sync_changelog WHERE seq > $1::bigint AND seq <= $2::bigint GROUP BY bucket_id`,
);
