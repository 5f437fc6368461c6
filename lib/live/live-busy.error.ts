import { SynchroError } from '../common/errors.js';

/** The instance holds as many connections as it may, or is stopping. */
export class LiveBusyError extends SynchroError {
  constructor(message: string) {
    super('temporarily_unavailable', message);
  }
}
