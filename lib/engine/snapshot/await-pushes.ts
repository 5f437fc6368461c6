import { NO_OPENING } from '../../database/session.js';
import { unloggedPush } from '../../store/clients/push-position.js';
import { awaitCommit } from '../request/await-commit.js';
import type { Requests } from '../request/requests.js';

/** Longest time that a snapshot waits for the log, in milliseconds. */
const LONGEST_WAIT_MS = 2_000;

/**
 * Waits until the log has the rows that a user's devices have pushed. A device pushes before it takes a snapshot, and
 * drops all rows when the snapshot comes: its own would vanish until its next pull.
 */
export async function awaitPushes(requests: Requests, userId: string): Promise<void> {
  const lsn = await requests.transactions.read(NO_OPENING, (manager) => unloggedPush(manager, userId));
  if (lsn !== null) await awaitCommit(requests, lsn, LONGEST_WAIT_MS);
}
