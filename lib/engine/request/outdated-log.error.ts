import { SynchroError } from '../../common/errors.js';

/** The log has to be rebuilt; or its position was stored this very moment, and has to be read again. */
export class OutdatedLogError extends SynchroError {
  constructor() {
    super(
      'temporarily_unavailable',
      'the changelog is older than its replication slot, and is being rebuilt',
    );
  }
}
