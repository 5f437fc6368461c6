import { SynchroError } from '../../../common/errors.js';

/** Another push of the user holds the lock on the parked rows: the push has to be run again, and to take it first. */
export class ParkingBusyError extends SynchroError {
  constructor() {
    super('temporarily_unavailable', 'another push of this user is parking rows');
  }
}
