import type { DataSource } from 'typeorm';
import { SynchroError } from '../../common/errors.js';
import { describeProgress, isMarkReached, markWal } from '../../store/changelog/wal-progress.js';
import { inTransaction } from '../../database/session.js';
import { awaitLog } from '../request/await-log.js';

export interface CaughtUpOptions {
  /** Milliseconds to wait at most. Default: 30 000. */
  readonly timeout?: number;
}

const DEFAULT_TIMEOUT_MS = 30_000;

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
  const isThere = (): Promise<boolean> =>
    inTransaction(dataSource, 'read', (manager) => isMarkReached(manager, mark, tables));
  if (await awaitLog(dataSource, mark.lsn, isThere, timeout)) return;
  const progress = await inTransaction(dataSource, 'read', (manager) => describeProgress(manager, mark));
  throw new SynchroError(
    'not_caught_up',
    `the changelog is not caught up after ${timeout} ms: ${progress}`,
    'read SyncStatus.read(), and the log of the instance that consumes.',
  );
}
