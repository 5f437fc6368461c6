import type { Lsn } from '../../common/lsn.js';
import type { EntityManager } from 'typeorm';
import type { SqlStatement } from '../../database/pipeline.js';
import { PreparedStatement } from '../../database/statement.js';

/** A registered device, as far as requests need it. Sequence numbers are 64-bit. */
export interface SyncClient {
  /** Primary key of its row. */
  readonly id: string;
  /** Stored subscriptions: what its changelog entries were written for. */
  readonly buckets: readonly string[];
  /**
   * Seqs up to which the entries of a bucket are not for the client, as the bucket came to it later; all entries of
   * other buckets are.
   */
  readonly since: ReadonlyMap<string, bigint>;
  /** Buckets that wait to come. */
  readonly coming: readonly string[];
  /** Stored subscriptions that wait to go: they are not read any more. */
  readonly leaving: readonly string[];
  readonly active: boolean;
  readonly hasPulled: boolean;
  /** Recorded as active within the last minute. */
  readonly hasPulledLately: boolean;
  /** It holds every row up to some checkpoint: it may pull. */
  readonly hasSnapshot: boolean;
  /** The checkpoint that it last acknowledged. */
  readonly acknowledged: bigint | null;
  /** Where the log stood when rows were last read for it. */
  readonly served: bigint;
  /** Where its last push into buckets that may leave its user is, once the log has it; null from the next pull on. */
  readonly loggedShare: Lsn | null;
  /** Of a snapshot in progress: compaction stays below `seq` for `left` milliseconds. */
  readonly hold: { readonly seq: bigint; readonly left: number } | null;
  /** RFC 3339; null before its first sync. */
  readonly lastSyncAt: string | null;
}

export interface Registration {
  readonly userId: string;
  readonly clientId: string;
  readonly clientName: string | null;
  readonly platform: string;
  readonly appVersion: string;
}

/**
 * Registers a device, or updates its description. Subscriptions and checkpoints of a known one stay. A new one beyond
 * `most` of its user takes the place of the one that was idle for longest, so that a phone that is set up again and
 * again is never refused.
 * @returns the id of its row
 */
export async function saveRegistration(
  manager: EntityManager,
  registration: Registration,
  buckets: readonly string[],
  most: number,
): Promise<string> {
  const [row]: { id: string; isNew: boolean }[] = await manager.query(
    `INSERT INTO :sync.sync_clients (user_id, client_id, client_name, platform, app_version, bucket_subs)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (user_id, client_id) DO UPDATE
       SET client_name = excluded.client_name, platform = excluded.platform, app_version = excluded.app_version,
           is_active = true, updated_at = now()
     RETURNING id, xmax = 0 AS "isNew"`,
    [
      registration.userId,
      registration.clientId,
      registration.clientName,
      registration.platform,
      registration.appVersion,
      buckets,
    ],
  );
  if (row?.isNew === true) await removeSurplus(manager, registration.userId, row.id, most);
  return row?.id ?? '';
}

/** One that is locked is not idle. */
async function removeSurplus(
  manager: EntityManager,
  userId: string,
  newest: string,
  most: number,
): Promise<void> {
  await manager.query(
    `DELETE FROM :sync.sync_clients WHERE id IN (
       SELECT id FROM :sync.sync_clients WHERE id IN (
         SELECT id FROM :sync.sync_clients WHERE user_id = $1 AND id <> $2
          ORDER BY greatest(created_at, updated_at, last_sync_at) DESC, id OFFSET $3)
          FOR UPDATE SKIP LOCKED)`,
    [userId, newest, most - 1],
  );
}

/**
 * The statement that records a pull: the device's checkpoint, and that it is active. It writes when one of these is
 * new, and otherwise at most once a minute.
 * @param client as it was when the pull was answered
 * @param acknowledged null: the pull was filtered by table, so its checkpoint acknowledges nothing
 * @param served the last seq of the log when its rows were read
 */
export function recordPull(
  manager: EntityManager,
  client: SyncClient,
  acknowledged: bigint | null,
  served: bigint,
): SqlStatement | null {
  const isNew = acknowledged !== null && acknowledged !== client.acknowledged;
  const { loggedShare: share } = client;
  const isTold = client.served >= served && share === null;
  if (!isNew && client.active && client.hasPulledLately && isTold) return null;
  const parameters = [client.id, acknowledged, served, share].map((value) => value?.toString() ?? null);
  return PULLED.bind(manager, parameters);
}

const PULLED = new PreparedStatement(
  `UPDATE :sync.sync_clients
      SET last_pull_seq = coalesce($2::bigint, last_pull_seq), last_pull_at = now(), last_sync_at = now(),
          is_active = true, served_seq = greatest(served_seq, $3::bigint),
          shared_lsn = nullif(shared_lsn, $4::bigint)
    WHERE id = $1`,
);

/** The statement that records the log's last seq when rows were read for a device that has more of them to come. */
export function recordServed(client: SyncClient, served: bigint): SqlStatement | null {
  if (client.served >= served) return null;
  return {
    sql: 'UPDATE :sync.sync_clients SET served_seq = greatest(served_seq, $2) WHERE id = $1',
    parameters: [client.id, served.toString()],
  };
}

/** The statement that records a push. */
export function recordPush(manager: EntityManager, client: SyncClient): SqlStatement {
  return PUSHED.bind(manager, [client.id]);
}

const PUSHED = new PreparedStatement(
  'UPDATE :sync.sync_clients SET last_push_at = now(), last_sync_at = now() WHERE id = $1',
);

/**
 * The statement that leaves a changed subscription to the WAL consumer, which writes its entries.
 *
 * A bucket that waits to go has to go, even when the user may read it again: entries of it have been skipped, so it
 * must come again as a whole, by the next pull. A client that has been removed in the meantime has nothing to change.
 *
 * A bucket that leaves before the client has read the log behind its coming has brought no rows that would have to
 * go.
 *
 * Rows that the client has pushed since its last pull are on it, though no pull has brought them: which ones, the log
 * does not say (W-HOST-93).
 * @param from the device's checkpoint: it has the entries of leaving buckets up to here, and reads none after it
 * @param channel the channel that the consumer listens to
 */
export function changeSubscriptions(
  client: SyncClient,
  buckets: readonly string[],
  from: bigint,
  channel: string,
): SqlStatement {
  // Whoever changes subscriptions takes the client's row first.
  return {
    sql: `WITH client AS MATERIALIZED (
       SELECT id, bucket_subs, bucket_since, served_seq, shared_lsn IS NOT NULL AS has_shared, (pg_current_wal_insert_lsn() - '0/0')::bigint AS lsn
         FROM :sync.sync_clients WHERE id = $1 FOR NO KEY UPDATE
     ), unwanted AS (
       DELETE FROM :sync.sync_subscription_changes s USING client
        WHERE s.client = client.id AND s.from_seq IS NULL AND s.bucket_id <> ALL ($2::text[])
     ), change AS (
       INSERT INTO :sync.sync_subscription_changes AS s (client, bucket_id, from_seq, served_seq, given, after_lsn, unlogged)
       SELECT id, b, NULL::bigint, NULL::bigint, NULL::boolean, lsn, false
         FROM client, unnest($2::text[]) AS b WHERE b <> ALL (bucket_subs)
       UNION SELECT id, b, greatest((bucket_since ->> b)::bigint, $3::bigint), greatest(served_seq, $3::bigint),
                    coalesce((bucket_since ->> b)::bigint < greatest(served_seq, $3::bigint), true), NULL,
                    has_shared
         FROM client, unnest(bucket_subs) AS b WHERE b <> ALL ($2::text[])
       ON CONFLICT (client, bucket_id) DO UPDATE
         SET from_seq = least(s.from_seq, excluded.from_seq), given = s.given OR excluded.given
         WHERE s.from_seq > excluded.from_seq OR s.given < excluded.given
       RETURNING client)
     SELECT pg_notify($4, '') FROM change LIMIT 1`,
    parameters: [client.id, buckets, from.toString(), channel],
  };
}

/** The statement that records that rows were pushed into buckets that wait to go, and were granted again. */
export function recordUnlogged(client: SyncClient, buckets: readonly string[]): readonly SqlStatement[] {
  if (client.leaving.length === 0) return [];
  const granted = new Set(buckets);
  const again = client.leaving.filter((bucket) => granted.has(bucket));
  if (again.length === 0) return [];
  return [
    {
      sql: `UPDATE :sync.sync_subscription_changes SET unlogged = true
      WHERE client = $1 AND bucket_id = ANY($2::text[]) AND from_seq IS NOT NULL`,
      parameters: [client.id, again],
    },
  ];
}

/**
 * The statement that records that a device is served under an older schema, so that it ignores newer columns and
 * tables: it needs another snapshot once it knows the current schema.
 */
export function recordOlderSchema(client: SyncClient): SqlStatement {
  return {
    sql: `UPDATE :sync.sync_clients SET snapshot_completed_at = '-infinity'
      WHERE id = $1 AND snapshot_completed_at > '-infinity'`,
    parameters: [client.id],
  };
}

/**
 * The statement that records that a device has everything up to a checkpoint, as far as its schema goes.
 * @param served the last seq of the log when the last page was read
 */
export function completeSnapshot(
  client: SyncClient,
  checkpoint: bigint,
  served: bigint,
  isOlderSchema: boolean,
): SqlStatement {
  return {
    sql: `UPDATE :sync.sync_clients
        SET snapshot_seq = NULL, snapshot_expires_at = NULL, last_pull_seq = $2,
            snapshot_completed_at = CASE WHEN $3 THEN '-infinity' ELSE now() END,
            last_pull_at = now(), last_sync_at = now(), is_active = true,
            served_seq = greatest(served_seq, $4::bigint)
      WHERE id = $1`,
    parameters: [client.id, checkpoint.toString(), isOlderSchema, served.toString()],
  };
}
