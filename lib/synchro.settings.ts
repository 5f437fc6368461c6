import { parseDuration } from './common/duration.js';
import { SynchroError } from './common/errors.js';
import type { CompactionOptions, ReplicationOptions, SynchroOptions } from './synchro.options.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;
/** What Node's timers and PostgreSQL's settings can count, 24.8 days: above it, a timer fires at once. */
const TIMER = { min: 0, max: 2 ** 31 - 1 };

/** {@link SynchroOptions} as they are used: every duration in milliseconds, with its default. */
export interface SynchroSettings extends Omit<SynchroOptions, DurationOptions> {
  readonly clockSkewTolerance: number;
  readonly snapshotHold: number;
  /** Undefined: compaction is not configured. */
  readonly compaction: CompactionSettings | undefined;
  readonly replication: ReplicationSettings | false;
}

type DurationOptions = 'clockSkewTolerance' | 'snapshotHold' | 'compaction' | 'replication';

export interface CompactionSettings {
  readonly staleThreshold: number;
  readonly batchSize: number;
  readonly removeClientsAfter: number;
  /** null: no limit. */
  readonly maxAge: number | null;
  /** null: no background runs. */
  readonly interval: number | null;
}

export interface ReplicationSettings extends Omit<ReplicationOptions, 'walSenderTimeout'> {
  readonly walSenderTimeout: number;
}

/**
 * Reads the options once, at start.
 * @throws SynchroError `configuration_invalid` naming the option that can't be used
 */
export function readSettings(options: SynchroOptions): SynchroSettings {
  const { clockSkewTolerance = 0, snapshotHold = 15 * MINUTE, compaction, replication = {} } = options;
  return {
    ...options,
    clockSkewTolerance: parseDuration('clockSkewTolerance', clockSkewTolerance),
    // At 0 no second page could find the hold of the first.
    snapshotHold: parseDuration('snapshotHold', snapshotHold, { min: 1, max: 365 * DAY }),
    compaction: compaction && readCompaction(compaction),
    replication: replication !== false && readReplication(replication),
  };
}

/** Zero is as good as nothing, as in the configuration that this module replaces: the default holds. */
function readCompaction(options: CompactionOptions): CompactionSettings {
  const { staleThreshold = 0, batchSize = 0, removeClientsAfter = 0, maxAge = 0, interval = 0 } = options;
  return {
    staleThreshold: parseDuration('compaction.staleThreshold', staleThreshold) || 7 * DAY,
    batchSize: parseCount('compaction.batchSize', batchSize) || 10_000,
    removeClientsAfter: parseDuration('compaction.removeClientsAfter', removeClientsAfter) || 90 * DAY,
    maxAge: parseDuration('compaction.maxAge', maxAge) || null,
    interval: parseDuration('compaction.interval', interval, TIMER) || null,
  };
}

function readReplication({
  walSenderTimeout = 10 * SECOND,
  ...options
}: ReplicationOptions): ReplicationSettings {
  return {
    ...options,
    walSenderTimeout: parseDuration('replication.walSenderTimeout', walSenderTimeout, TIMER),
  };
}

function parseCount(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new SynchroError(
    'configuration_invalid',
    `the option ${option} is ${JSON.stringify(value)}, which is not a whole number from 0`,
  );
}
