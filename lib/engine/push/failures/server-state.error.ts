import { SynchroError } from '../../../common/errors.js';

/**
 * A write failed for the state of the server or of its table, whichever records were in it: roll back, and let the device
 * come back later. The cause says what the state is.
 */
export class ServerStateError extends SynchroError {
  constructor(cause: unknown, table: string) {
    super(
      'temporarily_unavailable',
      `the table ${table} can't be written now, whatever the record`,
      undefined,
      {
        cause,
      },
    );
  }
}
