import type {
  CanActivate,
  ExecutionContext,
  LoggerService,
  ModuleMetadata,
  Provider,
  Type,
} from '@nestjs/common';
import type { ClientConfig } from 'pg';
import type { SynchroHooks } from './hooks/synchro-hooks.js';

/** The resolved {@link SynchroOptions}. */
export const SYNCHRO_OPTIONS = Symbol('SYNCHRO_OPTIONS');

/** Options of `SynchroModule.forRoot`, and what the factory of `forRootAsync` returns. */
export interface SynchroOptions {
  /**
   * Who is asking: the host's own identity of the request. Empty or undefined answers 401. The user id never
   * comes from body or query.
   */
  readonly userId: (context: ExecutionContext) => string | undefined | Promise<string | undefined>;
  /** Lowest app version that may sync (semver), compared with `X-App-Version` and at register. Default: any. */
  readonly minClientVersion?: string;
  /** How far a client's clock may be behind and still win, in milliseconds. Default: 0. */
  readonly clockSkewTolerance?: number;
  /** The module runs its own migrations at start. Default: false (`synchroMigrations` go into the host's list). */
  readonly migrationsRun?: boolean;
  /** Callbacks; decorated methods of providers do the same. Default: none. */
  readonly hooks?: SynchroHooks;
  /** The WAL consumer. `false`: this instance never consumes, another one does. Default: `{}`. */
  readonly replication?: ReplicationOptions | false;
  /** What `SyncEngine.runCompaction` removes. */
  readonly compaction?: CompactionOptions;
  /** How long a snapshot may pause between two pages before compaction may pass it, in milliseconds. Default: 15 min. */
  readonly snapshotHold?: number;
  /** Most changes of one push that are looked at; the surplus is answered `rejected_retryable`. Default: 2000. */
  readonly maxPushChanges?: number;
  /** Approximate size of one answer's row data in bytes; a page ends early above it. Default: 8 MiB. */
  readonly maxPageBytes?: number;
  /** Seconds in `Retry-After` of a 503. Default: 5. */
  readonly retryAfter?: number;
  /**
   * Takes the log lines as `{ message, ...fields }` with the context as second argument, as structured loggers for
   * Nest do. No line holds row data or tokens. Default: Nest's own `Logger`, with lines of text.
   */
  readonly logger?: LoggerService;
}

export interface CompactionOptions {
  /** Devices that have not synced for this many milliseconds no longer hold history back. Default: 7 days. */
  readonly staleThreshold?: number;
  /** Entries deleted at once. Default: 10 000. */
  readonly batchSize?: number;
}

export interface ReplicationOptions {
  /** Default: `synchro_slot`. Slots are unique in a whole cluster. */
  readonly slotName?: string;
  /** Default: `synchro_pub`. */
  readonly publicationName?: string;
  /**
   * A connection of its own, e.g. past a PgBouncer, or a role with REPLICATION. Default: the DataSource's.
   */
  readonly connection?: ClientConfig;
  /** Rows after which a batch is closed at the next commit. Default: 1000. */
  readonly batchRows?: number;
  /** Rows after which a batch is closed within a transaction; bounds memory. Default: 2000. */
  readonly maxBatchRows?: number;
  /**
   * Above this many rows, a changed subscription sends the device to a snapshot instead of writing an entry for
   * each. Default: 50 000.
   */
  readonly maxSubscriptionRows?: number;
  /** `wal_sender_timeout` of the replication connection in milliseconds: bounds how long a dead leader holds the slot. Default: 10 000. */
  readonly walSenderTimeout?: number;
}

/** What shapes the module itself; with `forRootAsync` it stays outside the factory. */
export interface SynchroModuleExtras {
  /** Modules whose exports the guards and the overriding providers need. */
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
  /** The host's guards, on the sync routes only. */
  readonly guards?: readonly (Type<CanActivate> | CanActivate)[];
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
