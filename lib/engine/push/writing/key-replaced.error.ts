import { SynchroError } from '../../../common/errors.js';

/**
 * A trigger has given a record another key. The savepoint of its statement is released by then, so the push has to
 * run again; from then on it checks before it releases, and rolls back rows that no change asked for.
 */
export class KeyReplacedError extends SynchroError {
  constructor() {
    super('temporarily_unavailable', 'a trigger has given a pushed record another key');
  }
}
