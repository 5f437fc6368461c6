import { SynchroError } from '../common/errors.js';
const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** 08 connections, 53 resources, 57 shutdowns and cancelled statements: classes; the rest is single states. */
const TRANSIENT_STATES = /^(08|53|57)|^(40001|40003|40P01|55P03|25006|25P03|25P04)$/;

/** Messages of the pool, the driver and TypeORM that come without a code. */
const TRANSIENT_MESSAGES = new RegExp(
  [
    'connection terminated',
    'connection error',
    'timeout exceeded when trying to connect',
    'timeout expired',
    'query read timeout',
    'pool after calling end',
    'client was closed',
    'driver not connected',
    'not( yet)? established',
  ].join('|'),
  'i',
);

/** An error is wrapped a few times; one that is its own cause ends here. */
const MAX_ERRORS = 20;

/**
 * The code of a database or network error: a five-character SQLSTATE, or Node's `ECONN…`; undefined for any
 * other error. Looks through TypeORM's `QueryFailedError`, through causes and `AggregateError`s.
 */
export function errorCode(error: unknown): string | undefined {
  for (const inner of errorsIn(error)) {
    const code = codeOf(inner);
    if (code !== undefined) return code;
  }
  return undefined;
}

/** The transaction lost a race and may win it when it is run again. */
export function isRetryable(error: unknown): boolean {
  const code = errorCode(error);
  return code === '40001' || code === '40P01';
}

/**
 * The database can't answer now, and will later (hazards W-HTTP-2, W-HTTP-4): connection failures, resources,
 * shutdowns, timeouts and locks, lost races, standbys, and what the pool and the driver say without a code.
 */
export function isTransient(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== undefined) return CONNECTION_ERRORS.has(code) || TRANSIENT_STATES.test(code);
  return errorsIn(error).some((inner) => inner instanceof Error && TRANSIENT_MESSAGES.test(inner.message));
}

/**
 * Errors of a pooler that moves statements from one connection to another: no prepared statement of that name, or one
 * already.
 */
export function isLostPlan(error: unknown): boolean {
  const code = errorCode(error);
  return code === '26000' || code === '42P05';
}

/**
 * Whether a statement failed for a row or a value in it, as far as its code shows: the caller may go on without that
 * row. Triggers and checks raise any code, so this is every error that is not about the server, the session, the
 * transaction or the names in the statement.
 */
export function isDataError(error: unknown): boolean {
  const code = errorCode(error);
  return code?.length === 5 && /^[0-9A-Z]{5}$/.test(code) && !isTransient(error) && !OTHER_STATES.test(code);
}

/** A text has characters, or bytes, that the database's encoding doesn't have. */
export function isUnstorable(error: unknown): boolean {
  const code = errorCode(error);
  return code === '22P05' || code === '22021';
}

/** Beside those that are transient. */
const OTHER_STATES = /^(0[3B]|25|26|28|34|3[BDF]|40|58|72|F0)|^(42501|42601|42703|42P01|55006|55P)/;

function codeOf(error: object): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && (/^[0-9A-Z]{5}$/.test(code) || CONNECTION_ERRORS.has(code))
    ? code
    : undefined;
}

/** An error and what is within it, outermost first. */
function errorsIn(error: unknown): readonly object[] {
  const found: object[] = [];
  const open = [error];
  while (open.length > 0 && found.length < MAX_ERRORS) {
    const current = open.shift();
    if (!(current instanceof Object)) continue;
    found.push(current);
    const { driverError, cause, errors } = current as Record<'driverError' | 'cause' | 'errors', unknown>;
    open.push(driverError, cause, ...(Array.isArray(errors) ? (errors as unknown[]) : []));
  }
  return found;
}

/**
 * The tables don't match the statement at the moment, for any caller: a column or a table is gone, keys have another
 * type than the known one (22P02), or writes are refused as a replica identity is missing (55000, 42P10).
 */
export function isUnfitTable(error: unknown): boolean {
  return isSchemaRace(error) || ['22P02', '42P10', '55000'].includes(errorCode(error) ?? '');
}

/** The table changed between reading its contract and using it: a column or a table is gone, or a cached plan is stale. */
export function isSchemaRace(error: unknown): boolean {
  if (error instanceof SynchroError) return false;
  const code = errorCode(error);
  return code === '0A000' || code === '42703' || code === '42P01';
}
