import { parseDuration, type DurationBounds } from '../common/duration.js';
import { SynchroError } from '../common/errors.js';
import type {
  CompactionOptions,
  LimitOptions,
  ReplicationOptions,
  SynchroOptions,
} from './synchro.options.js';

const MEBIBYTE = 1024 * 1024;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
/** What Node's timers and PostgreSQL's settings can count, 24.8 days: above it, a timer fires at once. */
const TIMER = { min: 0, max: 2 ** 31 - 1 };
const COUNT = { min: 0, max: Number.MAX_SAFE_INTEGER };
/** At 0 a push would be sent again for ever, a page never end, no body be small enough, no batch be full. */
const POSITIVE = { ...COUNT, min: 1 };

/** {@link SynchroOptions} as they are used: every duration in milliseconds, with its default. */
export interface SynchroSettings extends Omit<SynchroOptions, DurationOptions> {
  readonly clockSkewTolerance: number;
  readonly snapshotHold: number;
  readonly refusedCreates: 'keep' | 'remove';
  /** Undefined: compaction is not configured. */
  readonly compaction: CompactionSettings | undefined;
  readonly replication: ReplicationSettings | false;
  readonly limits: LimitSettings;
  readonly maxBodyBytes: number;
}

export interface LimitSettings extends Required<
  Omit<LimitOptions, 'bodyTimeout' | 'pushes' | 'snapshotAge'>
> {
  readonly bodyTimeout: number;
  /** null: it depends on the pool. */
  readonly pushes: number | null;
  readonly snapshotAge: number;
}

type DurationOptions =
  'clockSkewTolerance' | 'snapshotHold' | 'refusedCreates' | 'compaction' | 'replication' | 'limits';

export interface CompactionSettings {
  readonly staleThreshold: number;
  readonly batchSize: number;
  readonly removeClientsAfter: number;
  readonly maxAge: number;
  /** null: no background runs. */
  readonly interval: number | null;
}

export interface ReplicationSettings extends Omit<ReplicationOptions, 'ruleTimeout' | 'walSenderTimeout'> {
  readonly ruleTimeout: number;
  readonly walSenderTimeout: number;
}

/**
 * Reads the options once, at start.
 * @throws SynchroError `configuration_invalid` naming the option that can't be used
 */
export function readSettings(options: SynchroOptions): SynchroSettings {
  const { clockSkewTolerance = 0, snapshotHold = 15 * MINUTE, compaction, replication = {} } = options;
  const { maxPushChanges = 2_000, maxBodyBytes = 16 * MEBIBYTE, limits = {} } = options;
  checkCounts('', options, {
    maxPushChanges: POSITIVE,
    maxPageBytes: POSITIVE,
    maxBodyBytes: POSITIVE,
    statementTimeout: TIMER,
    retryAfter: COUNT,
  });
  return {
    ...options,
    maxBodyBytes,
    limits: readLimits(limits, { maxPushChanges, maxBodyBytes }),
    clockSkewTolerance: parseDuration('clockSkewTolerance', clockSkewTolerance),
    // At 0 no second page could find the hold of the first.
    snapshotHold: parseDuration('snapshotHold', snapshotHold, { min: 1, max: 365 * DAY }),
    refusedCreates: readRefusedCreates(options.refusedCreates),
    compaction: compaction && readCompaction(compaction),
    replication: replication !== false && readReplication(replication),
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

function readReplication({
  ruleTimeout = 30 * SECOND,
  walSenderTimeout = 10 * SECOND,
  ...options
}: ReplicationOptions): ReplicationSettings {
  checkCounts('replication.', options, {
    batchRows: POSITIVE,
    maxBatchRows: POSITIVE,
    maxSubscriptionRows: COUNT,
    maxBucketsPerRow: COUNT,
  });
  return {
    ...options,
    ruleTimeout: parseDuration('replication.ruleTimeout', ruleTimeout, TIMER),
    walSenderTimeout: parseDuration('replication.walSenderTimeout', walSenderTimeout, TIMER),
  };
}

function readRefusedCreates(value: SynchroOptions['refusedCreates']): 'keep' | 'remove' {
  if (value === undefined || value === 'keep' || value === 'remove') return value ?? 'keep';
  throw new SynchroError(
    'configuration_invalid',
    `the option refusedCreates is ${JSON.stringify(value)}`,
    "give refusedCreates as 'keep' or 'remove', or leave it out.",
  );
}

/** Where they are given: what is no number, as from an environment variable, would block every device. */
function checkCounts<Options extends object>(
  prefix: string,
  options: Options,
  bounds: { readonly [Name in keyof Options]?: DurationBounds },
): void {
  for (const [name, { min, max }] of Object.entries<DurationBounds>(
    bounds as Record<string, DurationBounds>,
  )) {
    const value: unknown = options[name as keyof Options];
    if (value === undefined) continue;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) continue;
    const shown = typeof value === 'number' ? String(value) : JSON.stringify(value);
    throw new SynchroError(
      'configuration_invalid',
      `the option ${prefix}${name} is ${shown}, which is not a whole number from ${min}${max === COUNT.max ? '' : ` to ${max}`}`,
      `give ${prefix}${name} as a number, or leave it out.`,
    );
  }
}
