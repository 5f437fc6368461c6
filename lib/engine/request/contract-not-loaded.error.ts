import { SynchroError } from '../../common/errors.js';

/** The catalogs have changed: their contract has to be loaded, and the transaction to be run again. */
export class ContractNotLoadedError extends SynchroError {
  constructor() {
    super('temporarily_unavailable', 'the schema is changing');
  }
}
