import { QueryFailedError } from 'typeorm';

/**
 * What an SQL error means for the change that caused it (W-PUSH-2):
 * - `transient`: nothing is wrong with the change; the whole transaction is tried again, or the request answers 503;
 * - `data`: a value that the column can't hold;
 * - `reference`: it points to a row that isn't there;
 * - `forbidden`: a policy or a privilege refuses it;
 * - `constraint`: a rule of the host's schema or triggers refuses it;
 * - `unknown`: anything else. Still final, since a device that retries for ever never pulls again.
 */
export type SqlFailure = 'transient' | 'data' | 'reference' | 'forbidden' | 'constraint' | 'unknown';

/** Classifies an error; what is no answer of PostgreSQL's (a lost connection, a fault of ours) is `transient`. */
export function sqlFailure(error: unknown): SqlFailure {
  const code = sqlState(error);
  return code === null ? 'transient' : (BY_STATE.get(code) ?? BY_CLASS.get(code.slice(0, 2)) ?? 'unknown');
}

/** PostgreSQL's error code; null for an error that didn't come from the server. */
export function sqlState(error: unknown): string | null {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  // Node's own errors have codes, too (EPIPE), but no severity.
  return isServerError(driverError) ? driverError.code : null;
}

const BY_STATE: ReadonlyMap<string, SqlFailure> = new Map([
  // A pooler has another connection's prepared statements: the whole transaction is run again without any.
  ['26000', 'transient'],
  ['42P05', 'transient'],
  ['23503', 'reference'],
  ['42P10', 'transient'], // invalid_column_reference: no key, or a publication's row filter that its identity lacks
  ['42501', 'forbidden'],
  ['42703', 'data'], // undefined_column
  ['42804', 'data'], // datatype_mismatch
  ['428C9', 'data'], // generated_always
]);

const BY_CLASS: ReadonlyMap<string, SqlFailure> = new Map([
  ['08', 'transient'], // connection exception
  ['25', 'transient'], // invalid transaction state
  ['40', 'transient'], // transaction rollback
  ['53', 'transient'], // insufficient resources
  ['55', 'transient'], // object not in prerequisite state: a lock, or a replica identity that is not there
  ['57', 'transient'], // operator intervention
  ['58', 'transient'], // system error
  ['22', 'data'],
  ['23', 'constraint'],
  ['54', 'constraint'], // program limit exceeded: a key too large for its index, JSON too deep
  ['44', 'forbidden'], // with check option violation
  ['P0', 'constraint'], // RAISE in a trigger
]);

function isServerError(error: unknown): error is { readonly code: string; readonly severity: string } {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string' &&
    'severity' in error
  );
}
