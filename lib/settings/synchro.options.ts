import type {
  CanActivate,
  ExecutionContext,
  LoggerService,
  ModuleMetadata,
  Provider,
  Type,
} from '@nestjs/common';
import type { ClientConfig } from 'pg';
import type { Duration } from '../common/duration.js';
import type { SynchroHooks } from './synchro-hooks.js';

/** The `SynchroSettings`, which everything injects: the {@link SynchroOptions} as they are used. */
export const SYNCHRO_OPTIONS = Symbol('SYNCHRO_OPTIONS');

/** The identity that a host's rule returns; null and undefined: no user. */
export type UserId = string | number | bigint | null | undefined;

/** Options of `SynchroModule.forRoot`, and what the factory of `forRootAsync` returns. */
export interface SynchroOptions {
  /**
   * The host's own identity of the request. An integer is taken for its digits. Anything that is no id answers 401, and
   * the log says once what it was. The user id never comes from body or query. Default: the user that `JwtGuard` or
   * `UserIdHeaderGuard` identified; without one of them, every request is answered with 401.
   */
  readonly userId?: (context: ExecutionContext) => UserId | Promise<UserId>;
  /**
   * Lowest app version that may sync (semver), compared with {@link versionHeader} in every request and with the body
   * of a registration; below it 426. Text that is no version is a 400, a missing version passes. Default: any.
   */
  readonly minClientVersion?: string;
  /** The header with the app's version. Default: `X-App-Version`, which the SDKs send. */
  readonly versionHeader?: string;
  /** How far a client's clock may be behind and still win. Default: 0. */
  readonly clockSkewTolerance?: Duration;
  /** The module runs its own migrations at start. Default: false (`synchroMigrations` go into the host's list). */
  readonly migrationsRun?: boolean;
  /** Callbacks; decorated methods of providers do the same. Default: none. */
  readonly hooks?: SynchroHooks;
  /** The WAL consumer. `false`: this instance never consumes, another one does. Default: `{}`. */
  readonly replication?: ReplicationOptions | false;
  /** The live channel, by which devices hear of changes when they happen. `false`: they poll. Default: `{}`. */
  readonly live?: LiveOptions | false;
  /** Which schemas devices may have beside the current one. Default: `{}`. */
  readonly schema?: SchemaOptions;
  /**
   * The history that `SyncEngine.runCompaction` removes, and when it runs by itself; `{}` for the defaults. Default:
   * not configured, the changelog is never compacted.
   */
  readonly compaction?: CompactionOptions;
  /** How long a snapshot may pause, at least, between two pages before compaction may pass it. Default: 15 min. */
  readonly snapshotHold?: Duration;
  /** Most changes of one push that are applied; the surplus is answered `rejected_retryable`. Default: 2000. */
  readonly maxPushChanges?: number;
  /**
   * Role in which a push reads and writes the host's tables (`SET LOCAL ROLE`), so that policies of row-level security
   * bind it although the pool's role owns the tables or bypasses them. Triggers on them run in it, too; hooks and sync's
   * own tables don't. The pool's role must be a member of it, and it needs the grants of `synchroRlsSql`; a start
   * without them fails, and names what is missing. Default: the pool's own role.
   */
  readonly pushRole?: string;
  /**
   * Handling of a create that is refused for good while the server has no version to show instead. `keep`: the row
   * stays on the device that made it, with what was typed, and nowhere else; your app can find it by the verdict.
   * `remove`: the device's next pull deletes it there. Default: `keep`.
   */
  readonly refusedCreates?: 'keep' | 'remove';
  /** Approximate size of one answer's row data in bytes; a page ends early above it. Default: 8 MiB. */
  readonly maxPageBytes?: number;
  /**
   * Largest request body in bytes; above it 413, which SDKs take for a fatal error: they repeat the push without end,
   * and pull nothing. Keep it above any honest batch. Default: 16 MiB.
   */
  readonly maxBodyBytes?: number;
  /** Bounds on the size and cost of requests, beside the three options above. Default: `{}`. */
  readonly limits?: LimitOptions;
  /**
   * Milliseconds that one statement of a request may take; above it 503, and a push that takes longer never gets done.
   * Default: what the database says (`statement_timeout` of the role).
   */
  readonly statementTimeout?: number;
  /**
   * Requests prepare their statements by name, so that PostgreSQL plans them once for each connection. `false` for a
   * PgBouncer in transaction mode that keeps no prepared statements (before 1.21, or `max_prepared_statements = 0`); one
   * that is met nevertheless is noticed by the first statement that it loses, and none is prepared then. Default: true.
   */
  readonly preparedStatements?: boolean;
  /**
   * Seconds in the `Retry-After` of a 503: the database can't answer now (no free connection, a timeout, a restart),
   * or a guard says so without a time of its own. Default: 5.
   */
  readonly retryAfter?: number;
  /** TypeORM's query log has sync's own statements, too; what your hooks send is always there. Default: false. */
  readonly logQueries?: boolean;
  /**
   * Takes the log lines as `{ message, ...fields }` with the context as second argument, as structured loggers for
   * Nest do. No line holds row data or tokens. Default: Nest's own `Logger`, with lines of text.
   */
  readonly logger?: LoggerService;
}

/** A request beyond one of these is refused as a whole before anything is built of it, so keep them above any honest one. */
export interface LimitOptions {
  /**
   * Most changes that a push may carry at all; above it 400. Those beyond `maxPushChanges` are answered
   * `rejected_retryable`. Default: 10 000, or `maxPushChanges` where that is more.
   */
  readonly changes?: number;
  /** Most entries of `known_buckets` and of `tables` in a pull; above it 400. Default: 100 000. */
  readonly listEntries?: number;
  /** Most JSON values (objects, arrays, texts, numbers, …) in one body; above it 400. Default: 1 000 000. */
  readonly bodyValues?: number;
  /**
   * Levels of arrays and objects in a body (above it 400) and in a document that is sent as text (above it the change
   * is `rejected_terminal`). At most 400, as devices' parsers stop at 512. Default: 100.
   */
  readonly nesting?: number;
  /** Longest that reading a body may take after the guards have passed; above it 408. Default: 2 min. */
  readonly bodyTimeout?: Duration;
  /**
   * Bytes of the bodies in memory, from their first byte until they are answered; above it the largest that is still
   * coming is answered 503. At least `maxBodyBytes`. Default: 128 MiB, or `maxBodyBytes` where that is more.
   */
  readonly bodyMemory?: number;
  /**
   * Requests of one user that an instance takes at a time, until their answers are taken; it works on one push and
   * two pulls or snapshots of theirs at a time, and reads two bodies of more than 1 MiB. Further ones wait for their
   * turn, up to 10 s and 100 of them, and are then answered 503. Default: 4.
   */
  readonly requestsPerUser?: number;
  /**
   * Pushes that an instance works on at a time, each of another user; users take turns. Keep it below the pool's
   * connections, since pulls and the host's own requests need some. Default: half of the pool's connections.
   */
  readonly pushes?: number;
  /** Devices of one user; a further one takes the place of the one that was idle for longest. Default: 100. */
  readonly clientsPerUser?: number;
  /**
   * Longest that a snapshot may hold history back, from its first page on. One that takes longer goes on without, and
   * is followed by another one where history has gone meanwhile. Default: 7 days.
   */
  readonly snapshotAge?: Duration;
}

export interface LiveOptions {
  /** Devices that an instance holds connections of; above it 503, and they poll. Default: 10 000. */
  readonly maxConnections?: number;
  /** Connections of one user to an instance; one more ends the oldest. Default: 100. */
  readonly connectionsPerUser?: number;
  /** After this long, give or take a tenth, a device connects again, and passes the guards again. Default: 15 min. */
  readonly maxAge?: Duration;
  /** How often a quiet stream gives a sign of life; a proxy's idle timeout must be longer. Default: 20 s. */
  readonly heartbeat?: Duration;
  /** Least time between two pokes of a device on a busy instance; a quiet one pokes sooner. Default: 100 ms. */
  readonly pokeInterval?: Duration;
  /** How often it is asked again which buckets a connected user reads; pulls ask, too. Default: 30 s. */
  readonly subscriptionInterval?: Duration;
}

export interface SchemaOptions {
  /**
   * Hashes of older schemas (`SyncEngine.schemaHistory()`) whose clients go on syncing, e.g. while an app's update with
   * a new column is in review. For changes that only added columns which the server can fill: what such a client does
   * not know, it ignores in answers and leaves alone in pushes. Once it comes with the current schema it takes one
   * snapshot, for what it ignored. Default: none; every other schema is answered 409.
   */
  readonly compatibleHashes?: readonly string[];
}

/** Zero, wherever it is given here, stands for the default. */
export interface CompactionOptions {
  /**
   * Devices that have not pulled for this long no longer hold history back; they count again with their next pull.
   * Failures that were resolved this long ago are removed, too. Default: 7 days.
   */
  readonly staleThreshold?: Duration;
  /** Entries that one statement deletes. Default: 10 000. */
  readonly batchSize?: number;
  /**
   * History that is older goes even if an active device or a snapshot in progress still needs it; that device is then
   * sent to a snapshot. Default: 30 days.
   */
  readonly maxAge?: Duration;
  /** Devices not heard of for this long are forgotten: they register again, and take a snapshot. Default: 90 days. */
  readonly removeClientsAfter?: Duration;
  /**
   * Runs in the background, first after half to all of it, ten minutes at most. Of several instances one runs at a
   * time, the others skip. At most 24 days. Default: none, runs are the host's to start.
   */
  readonly interval?: Duration;
}

export interface ReplicationOptions {
  /** Default: `synchro_<database>`, as slots are unique in a whole cluster. */
  readonly slotName?: string;
  /** Default: `synchro_<database>`. */
  readonly publicationName?: string;
  /**
   * A connection of its own, e.g. past a PgBouncer, or a role with REPLICATION. Default: the DataSource's.
   */
  readonly connection?: ClientConfig;
  /** Rows after which a batch is closed at the next commit. Default: 1000. */
  readonly batchRows?: number;
  /** Rows after which a batch is closed within a transaction; bounds memory. Default: 1000. */
  readonly maxBatchRows?: number;
  /**
   * Above this many rows, a changed subscription sends the device to a snapshot instead of writing an entry for
   * each. Default: 50 000.
   */
  readonly maxSubscriptionRows?: number;
  /**
   * Most buckets that a row's rule (`OwnershipResolver` or `bucketFunction`) may name, not counting those of its parent.
   * A row with more keeps the buckets that it has, and is recorded in `sync_rule_failures`. Default: 1000.
   */
  readonly maxBucketsPerRow?: number;
  /**
   * Longest that a bucket rule may take over the rows of one batch; 0: any. A `bucketFunction` is cancelled then: the
   * rows that it takes so long over keep the buckets that they have, and are recorded in `sync_rule_failures`. An
   * `OwnershipResolver` can't be cancelled: the log and `SyncStatus` name it until it answers. Default: 30 s.
   */
  readonly ruleTimeout?: Duration;
  /**
   * `wal_sender_timeout` of the replication connection, and how long the consumer's other connections may give no sign
   * of life: bounds how long a dead, frozen or cut off leader holds the slot and its locks. Default: 10 s.
   */
  readonly walSenderTimeout?: Duration;
}

/** Options that shape the module itself; with `forRootAsync` they stay outside the factory. */
export interface SynchroModuleExtras {
  /** Modules whose exports the guards and the overriding providers need. */
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
  /** The host's guards and the library's (`JwtGuard(…)`), in this order, on the sync routes only. */
  readonly guards?: readonly (Type<CanActivate> | CanActivate)[];
  /**
   * Decorators of the host's for the controller of the sync routes, whose metadata its global guards look for, e.g.
   * `[Public(), SkipThrottle()]`. Default: none.
   */
  readonly decorators?: readonly ClassDecorator[];
  /** Overrides by class token, e.g. `{ provide: OwnershipResolver, useClass: SharingResolver }`. */
  readonly providers?: readonly Provider[];
  /** Route prefix. Default: `sync`. */
  readonly path?: string;
  /** `false`: no controller; the host subclasses `SyncController`. Default: true. */
  readonly controller?: boolean;
  /** Default: false. */
  readonly isGlobal?: boolean;
  /** Name of the TypeORM DataSource. Default: the default one. */
  readonly dataSource?: string;
}
