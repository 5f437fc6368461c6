import { SynchroError } from './errors.js';
const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * The code of a database or network error: a five-character SQLSTATE, or Node's `ECONN…`; undefined for any
 * other error. Looks through TypeORM's `QueryFailedError` and through causes.
 */
export function errorCode(error: unknown): string | undefined {
  for (let current = error, depth = 0; current instanceof Object && depth < 5; depth++) {
    const { code, driverError, cause } = current as {
      code?: unknown;
      driverError?: unknown;
      cause?: unknown;
    };
    if (typeof code === 'string' && (/^[0-9A-Z]{5}$/.test(code) || CONNECTION_ERRORS.has(code))) return code;
    current = driverError ?? cause;
  }
  return undefined;
}

/** The transaction lost a race and may win it when it is run again. */
export function isRetryable(error: unknown): boolean {
  const code = errorCode(error);
  return code === '40001' || code === '40P01';
}

/**
 * The database can't answer now, and will later (hazard W-HTTP-4): connection failures (08), resources (53),
 * shutdowns (57), locks (55P03), lost races (40), and what the pool and the driver say without a code.
 */
export function isTransient(error: unknown): boolean {
  const code = errorCode(error);
  if (code !== undefined) {
    return CONNECTION_ERRORS.has(code) || /^(08|53|57|40)/.test(code) || code === '55P03' || code === '25006';
  }
  return (
    error instanceof Error &&
    /connection terminated|timeout exceeded when trying to connect|pool after calling end|client was closed|connection error|driver not connected|not established/i.test(
      error.message,
    )
  );
}

/** The table changed between reading its contract and using it: a column or a table is gone, or a cached plan is stale. */
export function isSchemaRace(error: unknown): boolean {
  if (error instanceof SynchroError) return false;
  const code = errorCode(error);
  return code === '0A000' || code === '42703' || code === '42P01';
}
