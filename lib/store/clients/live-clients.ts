import type { EntityManager } from 'typeorm';
import { CLIENT_BUCKETS } from '../../common/canonical-id.js';
import { quoteLiteral } from '../../common/identifiers.js';
import { PreparedStatement } from '../../database/statement.js';

/** A device that asks to be told of changes. */
export interface LiveClient {
  /** Primary key of its row. */
  readonly id: string;
  /** High-water mark of the log; null before the first start of a WAL consumer. */
  readonly lastSeq: bigint | null;
  /** The last of `sync_disconnects`. */
  readonly disconnect: bigint;
  /** Whether a pull has something to say. */
  readonly hasNews: boolean;
}

export interface LiveQuestion {
  readonly userId: string;
  readonly clientId: string;
  /** The buckets that the user reads now. */
  readonly buckets: readonly string[];
  /** The device's checkpoint; null: nothing is asked of news. */
  readonly since: bigint | null;
}

/** All of one snapshot of the database. @returns null when the device isn't registered */
export async function readLiveClient(
  manager: EntityManager,
  { userId, clientId, buckets, since }: LiveQuestion,
): Promise<LiveClient | null> {
  const [row] = await CLIENT.run(manager, [userId, clientId, buckets, since?.toString() ?? null]);
  if (!row) return null;
  const { id, last_seq: lastSeq, disconnect, has_news: hasNews } = row;
  return {
    id,
    lastSeq: lastSeq === null ? null : BigInt(lastSeq),
    disconnect: BigInt(disconnect),
    hasNews: hasNews === true,
  };
}

/**
 * Those of some devices that are still registered: the primary key of each one's row, and the seq from below which it
 * needs another snapshot.
 */
export async function readRegistered(
  manager: EntityManager,
  ids: readonly string[],
): Promise<ReadonlyMap<string, bigint>> {
  const rows = await REGISTERED.run(manager, [ids]);
  return new Map(rows.map(({ id, resync_seq: seq }) => [id, BigInt(seq)]));
}

/** Devices that were sent to a snapshot between two heads of the log, which takes no entry. @param to included */
export async function readResynced(
  manager: EntityManager,
  from: bigint,
  to: bigint,
): Promise<readonly string[]> {
  const rows = await RESYNCED.run(manager, [from.toString(), to.toString()]);
  return rows.map(({ id }) => id);
}

/**
 * There is news when the log has an entry, when the checkpoint is none to go on from, and when the buckets have changed
 * since the last pull, which the next one finds out.
 */
const CLIENT = new PreparedStatement<{
  readonly id: string;
  readonly last_seq: string | null;
  readonly disconnect: string;
  readonly has_news: boolean | null;
}>(
  `SELECT c.id::text, p.last_seq::text, (SELECT coalesce(max(d.id), 0)::text FROM :sync.sync_disconnects d) AS disconnect,
          $4::bigint IS NOT NULL AND (
            $4::bigint > p.last_seq OR $4::bigint < greatest(p.floor_seq, p.epoch_seq, c.resync_seq)
            OR NOT (c.bucket_subs @> $3::text[] AND c.bucket_subs <@ $3::text[])
            OR EXISTS (
              SELECT FROM unnest($3::text[] || (${quoteLiteral(CLIENT_BUCKETS)} || c.id)) AS b (bucket_id)
               CROSS JOIN LATERAL (
                 SELECT FROM :sync.sync_changelog l
                  WHERE (l.bucket_id, l.seq) > (b.bucket_id, $4::bigint) AND (l.bucket_id, l.seq) <= (b.bucket_id, p.last_seq)
                  ORDER BY l.bucket_id, l.seq LIMIT 1) AS e)) AS has_news
     FROM :sync.sync_clients c LEFT JOIN :sync.sync_wal_position p ON true
    WHERE c.user_id = $1 AND c.client_id = $2`,
);

const REGISTERED = new PreparedStatement<{ readonly id: string; readonly resync_seq: string }>(
  'SELECT id::text, resync_seq::text FROM :sync.sync_clients WHERE id = ANY($1::uuid[])',
);

const RESYNCED = new PreparedStatement<{ readonly id: string }>(
  'SELECT id::text FROM :sync.sync_clients WHERE resync_seq > $1::bigint AND resync_seq <= $2::bigint',
);
