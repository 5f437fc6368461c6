import { SynchroError } from './errors.js';
import { withoutPasswords } from './printable.js';

/**
 * The parts of an error that may be logged. PostgreSQL's `detail` and `where` quote rows, the messages of its data
 * exceptions (class 22) and of errors that triggers raise quote values, and TypeORM's errors carry the query's
 * parameters. A database error is described by its code, its object and, where PostgreSQL's own text names nothing
 * else, its message; any other error by its message, with its passwords masked.
 */
export function describeError(error: unknown): string {
  const server = serverError(error);
  if (!server) return masked(error instanceof Error ? error.message : String(error));
  const { code, schema, table, column, constraint } = server;
  const message = NAMES_ONLY.test(code) ? server.message : undefined;
  const where = Object.entries({ schema, table, column, constraint })
    .filter(([, name]) => typeof name === 'string')
    .map(([what, name]) => `${what} ${String(name)}`);
  return [`SQLSTATE ${code}`, message, where.length > 0 ? `(${where.join(', ')})` : undefined]
    .filter((part) => part !== undefined)
    .join(' ');
}

/** More of a message than this says nothing more, and may be as long as a request. */
const MAX_LENGTH = 8_000;

function masked(message: string): string {
  return withoutPasswords(message.slice(0, MAX_LENGTH));
}

/** Where an error was thrown, without its message. */
export function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? [];
  return frames.length > 0 ? frames.join('\n') : undefined;
}

/**
 * Classes of SQLSTATE whose messages are made of the names of objects alone: connections, constraints, transactions,
 * privileges and definitions, resources, states, shutdowns.
 */
const NAMES_ONLY = /^(08|23|25|40|42|53|55|57|58)/;

interface ServerError {
  readonly code: string;
  readonly message: string;
  readonly schema?: unknown;
  readonly table?: unknown;
  readonly column?: unknown;
  readonly constraint?: unknown;
}

/** Finds the server's own error below TypeORM's and below causes. */
function serverError(error: unknown): ServerError | undefined {
  if (error instanceof SynchroError) return undefined; // its own message, without its causes
  for (let current = error, depth = 0; current instanceof Object && depth < 5; depth++) {
    const { severity, code, driverError, cause } = current as Record<string, unknown>;
    if (typeof severity === 'string' && typeof code === 'string') return current as ServerError;
    current = driverError ?? cause;
  }
  return undefined;
}
