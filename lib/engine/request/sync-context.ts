import type { EntityManager } from 'typeorm';
import { SynchroError } from '../../common/errors.js';
import { quoteLiteral } from '../../common/identifiers.js';
import { clientBucket } from '../../common/canonical-id.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import type { ClientSchema } from '../../schema/schema-gate.js';
import type { SchemaService } from '../../schema/schema.service.js';
import { callerSql, type Opened } from '../../database/session.js';
import { Statement } from '../../database/statement.js';
import type { SyncClient } from '../../store/clients/sync-clients.js';
import { ContractNotLoadedError } from './contract-not-loaded.error.js';
import { OutdatedLogError } from './outdated-log.error.js';
import type { Opening } from './request-transactions.js';
import { SchemaMismatchError } from './schema-mismatch.error.js';

/** Where the changelog stands. */
export interface LogState {
  /** High-water mark: the last seq ever issued. */
  readonly lastSeq: bigint;
  /** Below it, history was compacted away. */
  readonly floorSeq: bigint;
  /** Below it, checkpoints are of an older epoch, or of subscriptions that changed by too much for this client. */
  readonly epochSeq: bigint;
  /**
   * The slot has been read further than the log says: the sync tables were restored from an older copy, or the slot was
   * made anew. Who sees what is as it was some time ago, until the WAL consumer starts an epoch.
   */
  readonly isOutdated: boolean;
}

/** What every request of a device begins with. */
export interface SyncContext {
  /**
   * The contract as of now, under the version and hash by which the client knows it: an answer carries the pair that
   * it was asked with, so that a client of a compatible older schema sees nothing change until it reads the new one.
   */
  readonly contract: SchemaContract;
  /** The client's schema is an older one, which the host declared compatible. */
  readonly isOlderSchema: boolean;
  readonly client: SyncClient | null;
  /** null until the WAL consumer has run for the first time. */
  readonly log: LogState | null;
}

export interface ContextRequest {
  readonly userId: string;
  readonly clientId: string;
  readonly schema: ClientSchema;
  /** What the user may read now. */
  readonly buckets: readonly string[];
  /** Register may come from a client that knows no schema yet. */
  readonly bootstrap?: boolean;
}

export interface GlanceRequest extends Pick<ContextRequest, 'userId' | 'clientId'> {
  readonly checkpoint: bigint;
}

/** Reads the {@link SyncContext}: one statement, and the same for every request. */
export class ContextReader {
  private readonly statement: Statement<ContextRow>;
  private readonly glances: Statement<GlanceRow>;

  constructor(private readonly schemas: SchemaService) {
    this.statement = new Statement(contextSql(schemas.tokenSql));
    this.glances = new Statement(glancesSql(schemas.tokenSql));
  }

  /**
   * The first statement of a request's transaction: who is asking (for RLS), the device, the log, and the catalogs'
   * fingerprint, so that a live ALTER TABLE is seen at once (interleavings 25).
   * @param then statements that follow it
   */
  opening({ userId, clientId, buckets }: ContextRequest, then: Opening = () => []): Opening {
    return (manager, attempt) => [
      this.statement.bind(manager, [userId, clientId, buckets]),
      ...then(manager, attempt),
    ];
  }

  /**
   * What the {@link opening} has brought.
   * @throws SchemaMismatchError when the client's schema is neither the current one nor compatible
   * @throws ContractNotLoadedError when the catalogs are as no request has seen them before
   */
  open(request: ContextRequest, [rows = []]: Opened): SyncContext {
    return this.toContext(request, rows[0] as ContextRow | undefined);
  }

  /**
   * For each of some devices the same, and whether the log has anything for it after its checkpoint: nothing that a page
   * of the log reads is missing, but a pull may find that nothing is left of it. Of one snapshot, so that it needs no
   * transaction.
   */
  glance(manager: EntityManager, asked: readonly GlanceRequest[]): Promise<readonly GlanceRow[]> {
    return this.glances.run(manager, [
      asked.map(({ userId }) => userId),
      asked.map(({ clientId }) => clientId),
      asked.map(({ checkpoint }) => checkpoint.toString()),
    ]);
  }

  /**
   * What a {@link glance} has brought for one of them.
   * @throws what {@link open} throws
   */
  glanced(request: ContextRequest, row: GlanceRow): SyncContext & { readonly hasNews: boolean } {
    return { ...this.toContext(request, row), hasNews: row.has_news };
  }

  private toContext(request: ContextRequest, row: ContextRow | undefined): SyncContext {
    const contract = this.schemas.cached(row?.token ?? '');
    if (!contract) throw new ContractNotLoadedError();
    const knows = this.schemas.gate(contract, request.schema, { bootstrap: request.bootstrap === true });
    if (knows === null) throw new SchemaMismatchError(contract);
    const isOlderSchema = knows === 'compatible';
    return {
      contract: isOlderSchema ? { ...contract, ...request.schema } : contract,
      isOlderSchema,
      client: row ? toClient(row, isOlderSchema) : null,
      log: row ? toLog(row) : null,
    };
  }
}

/** $1 user, $2 device, $3 what the user may read now. */
function contextSql(tokenSql: string): string {
  return `SELECT ${callerSql('$1', '$3::text[]')}, ${tokenSql} AS token, ${CLIENT}, ${LOG}, ${IS_OUTDATED} AS is_outdated
  FROM (SELECT) AS asked
  LEFT JOIN :sync.sync_clients c ON c.user_id = $1 AND c.client_id = $2
  LEFT JOIN :sync.sync_wal_position p ON true`;
}

/**
 * $1 users, $2 devices, $3 the checkpoints after which there may be news.
 *
 * Of all stored subscriptions, as those that are not read (see `readBuckets`) can but make news of what is none. Each
 * by one look into the index of the buckets, for which the range and the order are (see the page of the log).
 */
function glancesSql(tokenSql: string): string {
  return `WITH log AS MATERIALIZED (
    SELECT ${tokenSql} AS token, p.last_seq, p.floor_seq, p.epoch_seq, ${IS_OUTDATED} AS is_outdated
      FROM (SELECT) AS asked LEFT JOIN :sync.sync_wal_position p ON true)
  SELECT p.token, p.is_outdated, ${CLIENT}, ${LOG}, EXISTS (
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

const CLIENT = `c.id, c.bucket_subs, c.bucket_since, c.is_active,
       ARRAY(SELECT s.bucket_id FROM :sync.sync_subscription_changes s
              WHERE s.client = c.id AND s.from_seq IS NULL) AS coming,
       ARRAY(SELECT s.bucket_id FROM :sync.sync_subscription_changes s
              WHERE s.client = c.id AND s.from_seq IS NOT NULL) AS leaving, c.last_pull_at IS NOT NULL AS has_pulled,
       c.last_pull_at >= now() - interval '1 minute' AS has_pulled_lately, c.served_seq::text,
       c.snapshot_seq::text, (extract(epoch FROM c.snapshot_expires_at - now()) * 1000)::float8 AS snapshot_left,
       c.snapshot_completed_at IS NOT NULL AS has_snapshot,
       c.snapshot_completed_at = '-infinity' AS has_older_snapshot, c.last_pull_seq::text,
       to_char(c.last_sync_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS last_sync_at`;

const LOG = `p.last_seq::text, p.floor_seq::text, greatest(p.epoch_seq, c.resync_seq)::text AS epoch_seq`;

const IS_OUTDATED = `(p.system_id IS NULL OR EXISTS (
         SELECT FROM pg_get_replication_slots() s
          WHERE s.slot_name = p.slot_name AND s.confirmed_flush_lsn - '0/0' > p.confirmed_lsn))`;

/** @throws SynchroError `client_not_registered` */
export function registered(context: SyncContext): SyncClient {
  if (context.client) return context.client;
  throw notRegistered();
}

/** What a device is told that is not, or no longer, known. */
export function notRegistered(): SynchroError {
  return new SynchroError('client_not_registered', 'client not registered');
}

/**
 * The log, to read from.
 * @throws SynchroError `temporarily_unavailable` until the first edges are there
 * @throws OutdatedLogError run the transaction again
 */
export function ready({ log }: SyncContext): LogState {
  if (!log) throw new SynchroError('temporarily_unavailable', 'the WAL consumer has not run yet');
  if (log.isOutdated) throw new OutdatedLogError();
  return log;
}

interface ContextRow {
  token: string;
  id: string | null;
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
  snapshot_seq: string | null;
  /** Milliseconds. */
  snapshot_left: number | null;
  last_sync_at: string | null;
  last_seq: string | null;
  floor_seq: string | null;
  epoch_seq: string | null;
  is_outdated: boolean;
}

/** What a {@link ContextReader.glance} brings for one device. */
export interface GlanceRow extends ContextRow {
  readonly has_news: boolean;
}

function toClient(row: ContextRow, isOlderSchema: boolean): SyncClient | null {
  if (row.id === null) return null;
  return {
    id: row.id,
    buckets: row.bucket_subs ?? [],
    since: new Map(Object.entries(row.bucket_since ?? {}).map(([bucket, seq]) => [bucket, BigInt(seq)])),
    coming: row.coming,
    leaving: row.leaving,
    active: row.is_active ?? true,
    hasPulled: row.has_pulled,
    hasSnapshot: row.has_snapshot && (isOlderSchema || row.has_older_snapshot !== true),
    hasPulledLately: row.has_pulled_lately === true,
    served: BigInt(row.served_seq ?? 0),
    hold: row.snapshot_seq === null ? null : { seq: BigInt(row.snapshot_seq), left: row.snapshot_left ?? 0 },
    acknowledged: row.last_pull_seq === null ? null : BigInt(row.last_pull_seq),
    lastSyncAt: row.last_sync_at,
  };
}

function toLog(row: ContextRow): LogState | null {
  if (row.last_seq === null || row.floor_seq === null || row.epoch_seq === null) return null;
  return {
    lastSeq: BigInt(row.last_seq),
    floorSeq: BigInt(row.floor_seq),
    epochSeq: BigInt(row.epoch_seq),
    isOutdated: row.is_outdated,
  };
}
