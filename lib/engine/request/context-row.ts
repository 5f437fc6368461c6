import { clientBucket } from '../../common/canonical-id.js';
import { quoteLiteral } from '../../common/identifiers.js';
import { callerSql } from '../../database/session.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import type { LogState } from './log-state.js';

/** $1 user, $2 device, $3 what the user may read now. */
export function contextSql(tokenSql: string): string {
  return `SELECT ${callerSql('$1', '$3::text')}, ${tokenSql} AS token, ${clientSql('$3::text::text[]')}, ${LOG}, ${IS_OUTDATED} AS is_outdated
  FROM (SELECT) AS asked
  LEFT JOIN :sync.sync_clients c ON c.user_id = $1 AND c.client_id = $2
  LEFT JOIN :sync.sync_wal_position p ON true`;
}

/**
 * $1 users, $2 devices, $3 the checkpoints after which there may be news.
 *
 * Reads all stored subscriptions: those that are not read (see `readBuckets`) can only report news where there is
 * none. Each takes one probe of the buckets' index, which needs the range and the order (see the page of the log).
 */
export function probeSql(tokenSql: string): string {
  return `WITH log AS MATERIALIZED (
    SELECT ${tokenSql} AS token, p.last_seq, p.floor_seq, p.epoch_seq, p.confirmed_lsn, ${IS_OUTDATED} AS is_outdated
      FROM (SELECT) AS asked LEFT JOIN :sync.sync_wal_position p ON true)
  SELECT p.token, p.is_outdated, ${clientSql('NULL')}, ${LOG}, EXISTS (
         SELECT FROM unnest(c.bucket_subs || (${quoteLiteral(clientBucket(''))} || c.id)) AS b (bucket_id)
          CROSS JOIN LATERAL (
            SELECT FROM :sync.sync_changelog l
             WHERE (l.bucket_id, l.seq) > (b.bucket_id, asked.checkpoint) AND (l.bucket_id, l.seq) <= (b.bucket_id, p.last_seq)
             ORDER BY l.bucket_id, l.seq LIMIT 1) AS e) AS has_news
    FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS asked (user_id, client_id, checkpoint, n)
   CROSS JOIN log AS p
    LEFT JOIN LATERAL (
      SELECT * FROM :sync.sync_clients c WHERE c.user_id = asked.user_id AND c.client_id = asked.client_id OFFSET 0) AS c ON true
   ORDER BY asked.n`;
}

/** @param known an expression of buckets that the caller has: where these are stored, they are not sent */
function clientSql(known: string): string {
  return `c.id, CASE WHEN c.bucket_subs IS DISTINCT FROM ${known} THEN to_json(c.bucket_subs) END AS bucket_subs, c.bucket_since, c.is_active,
       ARRAY(SELECT s.bucket_id FROM :sync.sync_subscription_changes s
              WHERE s.client = c.id AND s.from_seq IS NULL) AS coming,
       ARRAY(SELECT s.bucket_id FROM :sync.sync_subscription_changes s
              WHERE s.client = c.id AND s.from_seq IS NOT NULL) AS leaving, c.last_pull_at IS NOT NULL AS has_pulled,
       c.last_pull_at >= now() - interval '1 minute' AS has_pulled_lately, c.served_seq::text,
       CASE WHEN c.shared_lsn <= p.confirmed_lsn THEN c.shared_lsn::text END AS logged_share,
       c.snapshot_seq::text, (extract(epoch FROM c.snapshot_expires_at - now()) * 1000)::float8 AS snapshot_left,
       c.snapshot_completed_at IS NOT NULL AS has_snapshot,
       c.snapshot_completed_at = '-infinity' AS has_older_snapshot, c.last_pull_seq::text,
       to_char(c.last_sync_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last_sync_at`;
}

const LOG = `p.last_seq::text, p.floor_seq::text, greatest(p.epoch_seq, c.resync_seq)::text AS epoch_seq`;

const IS_OUTDATED = `(p.system_id IS NULL OR EXISTS (
         SELECT FROM pg_get_replication_slots() s
          WHERE s.slot_name = p.slot_name AND s.confirmed_flush_lsn - '0/0' > p.confirmed_lsn))`;

export interface ContextRow {
  token: string;
  id: string | null;
  /** null: those that were asked about. */
  bucket_subs: string[] | null;
  bucket_since: Readonly<Record<string, string>> | null;
  coming: string[];
  leaving: string[];
  is_active: boolean | null;
  has_pulled: boolean;
  has_snapshot: boolean;
  /** Of a schema without what the client should know now. */
  has_older_snapshot: boolean | null;
  last_pull_seq: string | null;
  has_pulled_lately: boolean | null;
  served_seq: string | null;
  /** null: nothing was shared, or the log does not have it yet. */
  logged_share: string | null;
  snapshot_seq: string | null;
  /** Milliseconds. */
  snapshot_left: number | null;
  last_sync_at: string | null;
  last_seq: string | null;
  floor_seq: string | null;
  epoch_seq: string | null;
  is_outdated: boolean;
}

/** The same of one device that is probed. */
export interface ProbeRow extends ContextRow {
  readonly has_news: boolean;
}

export function toClient(
  row: ContextRow,
  buckets: readonly string[],
  isOlderSchema: boolean,
): SyncClient | null {
  if (row.id === null) return null;
  return {
    id: row.id,
    buckets: row.bucket_subs ?? buckets,
    since: new Map(Object.entries(row.bucket_since ?? {}).map(([bucket, seq]) => [bucket, BigInt(seq)])),
    coming: row.coming,
    leaving: row.leaving,
    active: row.is_active ?? true,
    hasPulled: row.has_pulled,
    hasSnapshot: row.has_snapshot && (isOlderSchema || row.has_older_snapshot !== true),
    hasPulledLately: row.has_pulled_lately === true,
    served: BigInt(row.served_seq ?? 0),
    loggedShare: row.logged_share === null ? null : BigInt(row.logged_share),
    hold: row.snapshot_seq === null ? null : { seq: BigInt(row.snapshot_seq), left: row.snapshot_left ?? 0 },
    acknowledged: row.last_pull_seq === null ? null : BigInt(row.last_pull_seq),
    lastSyncAt: row.last_sync_at,
  };
}

export function toLog(row: ContextRow): LogState | null {
  if (row.last_seq === null || row.floor_seq === null || row.epoch_seq === null) return null;
  return {
    lastSeq: BigInt(row.last_seq),
    floorSeq: BigInt(row.floor_seq),
    epochSeq: BigInt(row.epoch_seq),
    isOutdated: row.is_outdated,
  };
}
