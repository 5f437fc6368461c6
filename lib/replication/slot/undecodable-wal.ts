import { describeError } from '../../common/describe-error.js';
import { SynchroError } from '../../common/errors.js';
import { formatLsn, type Lsn } from '../../common/lsn.js';
import { errorCode } from '../../database/database-error.js';

/** The error of a stream that the server has ended because of the WAL that it was to send. */
export function undecodable(cause: Error): SynchroError {
  // No code of the host's runs there: an internal error is about the server's own objects.
  const isInternal = errorCode(cause)?.startsWith('XX') === true;
  const what = isInternal ? `SQLSTATE ${errorCode(cause)} ${cause.message}` : describeError(cause);
  return new SynchroError('decode_failed', `the server can't decode the WAL: ${what}`, undefined, { cause });
}

/** Failed sessions after which the slot is given up, the first time. */
const FIRST_PATIENCE = 5;

/**
 * Counts sessions that ended because the server can't decode the WAL: a label was deleted from `pg_enum`, a file of the
 * slot is lost, or the server has a fault. The next session would end in the same place, so only a new slot helps. The
 * patience doubles each time, because every device takes a snapshot then.
 */
export class UndecodableWal {
  private position: Lsn | null = null;
  private sessions = 0;
  private patience = FIRST_PATIENCE;

  /** @param start the stored position at which the session began */
  note(error: unknown, start: Lsn): void {
    if (!(error instanceof SynchroError) || error.code !== 'decode_failed') return;
    this.sessions = start === this.position ? this.sessions + 1 : 1;
    this.position = start;
  }

  /** Why the slot has to be made anew when it goes on from a stored position; null: it need not be. */
  reasonAt(position: Lsn): string | null {
    if (position !== this.position || this.sessions < this.patience) return null;
    return `the WAL behind ${formatLsn(position)} can't be decoded: ${this.sessions} sessions have failed`;
  }

  /** A slot was made anew. */
  givenUp(): void {
    this.sessions = 0;
    this.patience *= 2;
  }
}
