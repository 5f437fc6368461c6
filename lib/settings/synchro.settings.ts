import type { LoggerService } from '@nestjs/common';
import type { ClientConfig } from 'pg';
import { parseDuration } from '../common/duration.js';
import { checkCounts, COUNT, POSITIVE, readRefusedCreates, TIMER } from './option-checks.js';
import { replicationName } from './replication-name.js';
import type { SynchroHooks } from './synchro-hooks.js';
import type {
  CompactionOptions,
  LimitOptions,
  LiveOptions,
  ReplicationOptions,
  SchemaOptions,
  SynchroOptions,
} from './synchro.options.js';

const MEBIBYTE = 1024 * 1024;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
/** {@link SynchroOptions} as they are used: each with its default, every duration in milliseconds. */
export interface SynchroSettings {
  /** undefined: whom a guard of the library identified. */
  readonly userId: SynchroOptions['userId'];
  /** Empty: any. */
  readonly minClientVersion: string;
  readonly versionHeader: string;
  readonly clockSkewTolerance: number;
  readonly migrationsRun: boolean;
  readonly hooks: SynchroHooks;
  readonly replication: ReplicationSettings | false;
  readonly live: LiveSettings | false;
  readonly schema: Required<SchemaOptions>;
  /** undefined: compaction is not configured. */
  readonly compaction: CompactionSettings | undefined;
  readonly snapshotHold: number;
  readonly maxPushChanges: number;
  /** undefined: the pool's own role. */
  readonly pushRole: string | undefined;
  readonly refusedCreates: 'keep' | 'remove';
  readonly maxPageBytes: number;
  readonly maxBodyBytes: number;
  readonly limits: LimitSettings;
  /** undefined: what the database says. */
  readonly statementTimeout: number | undefined;
  readonly preparedStatements: boolean;
  readonly retryAfter: number;
  readonly logQueries: boolean;
  /** undefined: Nest's own. */
  readonly logger: LoggerService | undefined;
}

export interface LimitSettings extends Required<
  Omit<LimitOptions, 'bodyTimeout' | 'pushes' | 'snapshotAge'>
> {
  readonly bodyTimeout: number;
  /** null: it depends on the pool. */
  readonly pushes: number | null;
  readonly snapshotAge: number;
}

/** Durations in milliseconds. */
export type LiveSettings = { readonly [Name in keyof LiveOptions]-?: number };

export interface CompactionSettings {
  readonly staleThreshold: number;
  readonly batchSize: number;
  readonly removeClientsAfter: number;
  readonly maxAge: number;
  /** null: no background runs. */
  readonly interval: number | null;
}

export interface ReplicationSettings extends Required<
  Omit<ReplicationOptions, 'connection' | 'ruleTimeout' | 'walSenderTimeout'>
> {
  /** undefined: the DataSource's. */
  readonly connection: ClientConfig | undefined;
  readonly ruleTimeout: number;
  readonly walSenderTimeout: number;
}

/**
 * Reads the options once, at start.
 * @throws SynchroError `configuration_invalid` naming the option that can't be used
 */
export function readSettings(options: SynchroOptions, database = 'postgres'): SynchroSettings {
  checkCounts('', options, {
    maxPushChanges: POSITIVE,
    maxPageBytes: POSITIVE,
    maxBodyBytes: POSITIVE,
    statementTimeout: TIMER,
    retryAfter: COUNT,
  });
  const {
    clockSkewTolerance = 0,
    snapshotHold = 15 * MINUTE,
    compaction,
    replication = {},
    live = {},
  } = options;
  const { maxPushChanges = 2_000, maxBodyBytes = 16 * MEBIBYTE, limits = {} } = options;
  const { userId, pushRole, refusedCreates = 'keep', statementTimeout, logger } = options;
  return {
    userId,
    minClientVersion: options.minClientVersion ?? '',
    versionHeader: options.versionHeader ?? 'X-App-Version',
    clockSkewTolerance: parseDuration('clockSkewTolerance', clockSkewTolerance),
    migrationsRun: options.migrationsRun ?? false,
    hooks: options.hooks ?? {},
    replication: replication !== false && readReplication(replication, database),
    live: live !== false && readLive(live),
    schema: { compatibleHashes: options.schema?.compatibleHashes ?? [] },
    compaction: compaction && readCompaction(compaction),
    // At 0 no second page could find the hold of the first.
    snapshotHold: parseDuration('snapshotHold', snapshotHold, { min: 1, max: 365 * DAY }),
    maxPushChanges,
    pushRole,
    refusedCreates: readRefusedCreates(refusedCreates),
    maxPageBytes: options.maxPageBytes ?? 8 * MEBIBYTE,
    maxBodyBytes,
    limits: readLimits(limits, { maxPushChanges, maxBodyBytes }),
    statementTimeout,
    preparedStatements: options.preparedStatements ?? true,
    retryAfter: options.retryAfter ?? 5,
    logQueries: options.logQueries ?? false,
    logger,
  };
}

/** A limit below what another option allows would make that one a lie. */
function readLimits(
  options: LimitOptions,
  { maxPushChanges, maxBodyBytes }: Required<Pick<SynchroOptions, 'maxPushChanges' | 'maxBodyBytes'>>,
): LimitSettings {
  checkCounts('limits.', options, {
    changes: { ...COUNT, min: maxPushChanges },
    listEntries: POSITIVE,
    bodyValues: POSITIVE,
    nesting: { min: 10, max: 400 },
    bodyMemory: { ...COUNT, min: maxBodyBytes },
    requestsPerUser: POSITIVE,
    pushes: POSITIVE,
    clientsPerUser: POSITIVE,
  });
  const {
    changes = Math.max(10_000, maxPushChanges),
    listEntries = 100_000,
    bodyValues = 1_000_000,
    nesting = 100,
    bodyTimeout = 2 * MINUTE,
    bodyMemory = Math.max(128 * MEBIBYTE, maxBodyBytes),
    requestsPerUser = 4,
    pushes = null,
    clientsPerUser = 100,
    snapshotAge = 7 * DAY,
  } = options;
  return {
    changes,
    listEntries,
    bodyValues,
    nesting,
    bodyTimeout: parseDuration('limits.bodyTimeout', bodyTimeout, { ...TIMER, min: 1 }),
    bodyMemory,
    requestsPerUser,
    pushes,
    clientsPerUser,
    snapshotAge: parseDuration('limits.snapshotAge', snapshotAge, { min: 1, max: 365 * DAY }),
  };
}

/** Zero is as good as nothing, as in the configuration that this module replaces: the default holds. */
function readCompaction(options: CompactionOptions): CompactionSettings {
  const { staleThreshold = 0, batchSize = 0, removeClientsAfter = 0, maxAge = 0, interval = 0 } = options;
  checkCounts('compaction.', options, { batchSize: COUNT });
  return {
    staleThreshold: parseDuration('compaction.staleThreshold', staleThreshold) || 7 * DAY,
    batchSize: batchSize || 10_000,
    removeClientsAfter: parseDuration('compaction.removeClientsAfter', removeClientsAfter) || 90 * DAY,
    maxAge: parseDuration('compaction.maxAge', maxAge) || 30 * DAY,
    interval: parseDuration('compaction.interval', interval, TIMER) || null,
  };
}

export function readLive(options: LiveOptions): LiveSettings {
  checkCounts('live.', options, { maxConnections: COUNT, connectionsPerUser: POSITIVE });
  const { maxConnections = 10_000, connectionsPerUser = 100 } = options;
  const { maxAge = 15 * MINUTE, heartbeat = 20 * SECOND } = options;
  const { pokeInterval = 100, subscriptionInterval = 30 * SECOND } = options;
  return {
    maxConnections,
    connectionsPerUser,
    // A connection that ends at once would come back at once.
    maxAge: parseDuration('live.maxAge', maxAge, { ...TIMER, min: SECOND }),
    heartbeat: parseDuration('live.heartbeat', heartbeat, { ...TIMER, min: SECOND }),
    pokeInterval: parseDuration('live.pokeInterval', pokeInterval, TIMER),
    subscriptionInterval: parseDuration('live.subscriptionInterval', subscriptionInterval, {
      ...TIMER,
      min: SECOND,
    }),
  };
}

/** @param database whose name slot and publication have by default */
export function readReplication(options: ReplicationOptions, database: string): ReplicationSettings {
  checkCounts('replication.', options, {
    batchRows: POSITIVE,
    maxBatchRows: POSITIVE,
    maxSubscriptionRows: COUNT,
    maxBucketsPerRow: COUNT,
  });
  const {
    slotName = replicationName(database),
    publicationName = replicationName(database),
    connection,
    batchRows = 1_000,
    maxBatchRows = 1_000,
    maxSubscriptionRows = 50_000,
    maxBucketsPerRow = 1_000,
    ruleTimeout = 30 * SECOND,
    walSenderTimeout = 10 * SECOND,
  } = options;
  return {
    slotName,
    publicationName,
    connection,
    batchRows,
    maxBatchRows,
    maxSubscriptionRows,
    maxBucketsPerRow,
    ruleTimeout: parseDuration('replication.ruleTimeout', ruleTimeout, TIMER),
    walSenderTimeout: parseDuration('replication.walSenderTimeout', walSenderTimeout, TIMER),
  };
}
