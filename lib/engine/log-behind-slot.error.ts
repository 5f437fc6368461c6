import { SynchroError } from '../common/errors.js';

/** The log is older than its slot: it has to be made anew. Or the position was stored this very moment: read it again. */
export class LogBehindSlotError extends SynchroError {
  constructor() {
    super('temporarily_unavailable', 'the changelog is behind its replication slot and is being made anew');
  }
}
