import { QueryFailedError } from 'typeorm';
import { isLostPlan, isRetryable, isSchemaRace } from '../../../database/database-error.js';
import { KeyReplacedError } from '../writing/key-replaced.error.js';

/**
 * The meaning of an SQL error of one record for its change (W-PUSH-2):
 * - `data`: a value that the column can't hold;
 * - `reference`: it points to a row that doesn't exist, or another row points to it;
 * - `forbidden`: a policy or a privilege refuses it;
 * - `constraint`: a rule of the host's schema or triggers refuses it;
 * - `doubtful`: anything else. A trigger may raise any code, and the reason may pass: the change is tried again, a
 *   bounded number of times (see `change-tries.ts`).
 */
export type SqlFailure = 'data' | 'reference' | 'forbidden' | 'constraint' | 'doubtful';

/** Classifies the error of a record that was written alone. */
export function sqlFailure(error: unknown): SqlFailure {
  if (error instanceof KeyReplacedError) return 'constraint';
  const { code = '', routine } = serverError(error) ?? {};
  // A missing privilege is a fault of the set-up, for every record; a policy's refusal has another origin.
  if (code === '42501' && routine === 'aclcheck_error') return 'doubtful';
  return BY_STATE.get(code) ?? BY_CLASS.get(code.slice(0, 2)) ?? 'doubtful';
}

/**
 * Whether an error is no record's alone, so that the whole transaction ends: the connection is gone, or another run
 * helps. For any other error the savepoint is rolled back, and halving finds the record that caused it.
 *
 * @param isRerun the transaction was run again already: a race that is lost again, or a column that is missing again,
 *   is the record's
 */
export function endsTransaction(error: unknown, isRerun: boolean): boolean {
  if (error instanceof KeyReplacedError) return !isRerun;
  if (sqlState(error) === null) return true;
  return !isRerun && (isRetryable(error) || isSchemaRace(error) || isLostPlan(error));
}

/** PostgreSQL's error code; null for an error that didn't come from the server. */
export function sqlState(error: unknown): string | null {
  return serverError(error)?.code ?? null;
}

/** Whether a statement that locks rows ran out of time, by the server's word: what code of the host's raises is none. */
export function isLockWait(error: unknown): boolean {
  const { code = '', routine } = serverError(error) ?? {};
  return (code === '55P03' || code === '57014') && routine !== 'exec_stmt_raise';
}

/** The server's own error; null for one that didn't come from it. */
export function serverError(error: unknown): ServerError | null {
  const driverError: unknown = error instanceof QueryFailedError ? error.driverError : error;
  // Node's own errors have codes, too (EPIPE), but no severity.
  return isServerError(driverError) ? driverError : null;
}

interface ServerError {
  readonly code: string;
  readonly severity: string;
  readonly schema?: string;
  readonly table?: string;
  readonly column?: string;
  readonly constraint?: string;
  /** Of the server's own code. */
  readonly routine?: string;
}

const BY_STATE: ReadonlyMap<string, SqlFailure> = new Map([
  ['23001', 'reference'], // ON DELETE RESTRICT
  ['23503', 'reference'],
  ['42501', 'forbidden'],
  ['42703', 'data'], // undefined_column
  ['42804', 'data'], // datatype_mismatch
  ['428C9', 'data'], // generated_always
]);

const BY_CLASS: ReadonlyMap<string, SqlFailure> = new Map([
  ['22', 'data'],
  ['23', 'constraint'],
  ['54', 'constraint'], // program limit exceeded: a key too large for its index, JSON too deep
  ['44', 'forbidden'], // with check option violation
  ['P0', 'constraint'], // RAISE in a trigger
]);

function isServerError(error: unknown): error is ServerError {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string' &&
    'severity' in error
  );
}
