import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { SynchroError } from '../../common/errors.js';
import {
  announceMark,
  describeProgress,
  isMarkReached,
  markWal,
  type WalMark,
} from '../../store/wal-progress.js';
import { inTransaction } from '../../store/session.js';

export interface CaughtUpOptions {
  /** Milliseconds to wait at most. Default: 30 000. */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** Pauses between two looks double from the first to the last: the consumer may run in another process. */
const FIRST_PAUSE_MS = 2;
const LAST_PAUSE_MS = 100;
/** The consumer may have been between two sessions when it was told. */
const ANNOUNCE_MS = 1_000;

/**
 * Resolves once everything that was committed or asked for before the call is in the changelog.
 * @throws SynchroError `not_caught_up` when that takes longer than `timeout`
 */
export async function caughtUp(
  dataSource: DataSource,
  tables: readonly string[],
  { timeout = DEFAULT_TIMEOUT_MS }: CaughtUpOptions = {},
): Promise<void> {
  const mark = await inTransaction(dataSource, 'read', markWal);
  if (await reach(dataSource, tables, mark, timeout)) return;
  const progress = await inTransaction(dataSource, 'read', (manager) => describeProgress(manager, mark));
  throw new SynchroError(
    'not_caught_up',
    `the changelog is not caught up after ${timeout} ms: ${progress}`,
    'look at SyncStatus.read(), and at the log of the instance that consumes.',
  );
}

/** @returns whether the mark was reached within that many milliseconds */
export async function reach(
  dataSource: DataSource,
  tables: readonly string[],
  mark: WalMark,
  timeout: number,
): Promise<boolean> {
  const deadline = performance.now() + timeout;
  let announced = -Infinity;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LAST_PAUSE_MS)) {
    if (await inTransaction(dataSource, 'read', (manager) => isMarkReached(manager, mark, tables)))
      return true;
    const now = performance.now();
    if (now >= deadline) return false;
    if (now - announced >= ANNOUNCE_MS) {
      await inTransaction(dataSource, 'write', (manager) => announceMark(manager, mark.lsn));
      announced = now;
    }
    await sleep(Math.min(pause, deadline - now));
  }
}
