import type { Lsn } from '../../common/lsn.js';
import { NO_OPENING } from '../../database/session.js';
import { isLogAt } from '../../store/changelog/wal-progress.js';
import { awaitLog } from './await-log.js';
import type { Requests } from './requests.js';

/**
 * Waits until the log has what was committed before a position in the WAL.
 * @param timeout milliseconds; 0: only looks
 * @returns whether it has
 */
export function awaitCommit(
  { dataSource, transactions }: Requests,
  lsn: Lsn,
  timeout: number,
): Promise<boolean> {
  const isThere = (): Promise<boolean> => transactions.read(NO_OPENING, (manager) => isLogAt(manager, lsn));
  return awaitLog(dataSource, lsn, isThere, timeout);
}
