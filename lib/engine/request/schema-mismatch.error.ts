import { SynchroError } from '../../common/errors.js';
import type { SchemaContract } from '../../schema/schema-contract.js';

/** The client's schema isn't the current one: the answer carries the current one. */
export class SchemaMismatchError extends SynchroError {
  constructor(readonly contract: Pick<SchemaContract, 'version' | 'hash'>) {
    super('schema_mismatch', 'client schema does not match server schema');
  }
}
