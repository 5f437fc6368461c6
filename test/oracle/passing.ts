/**
 * SQLSTATEs, or classes of them, that a writer's statement may end with when others write, too, or a server goes away:
 * lost connections, foreign keys, aborted and idle transactions, conflicts, resources, locks, shutdown.
 */
const PASSING = ['08', '23503', '25P02', '25P03', '40', '53', '55', '57'];
/** What pg says of a connection that ended. */
const LOST = ['Connection terminated', 'Client has encountered a connection error'];
const CONNECTION = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'];

/** Whether it is nobody's fault that this failed, and a retry may succeed. */
export function passing(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (LOST.some((start) => error.message.startsWith(start))) return true;
  if (error instanceof TypeError && error.message === 'fetch failed') return true;
  const code = 'code' in error ? String(error.code) : '';
  return CONNECTION.includes(code) || PASSING.some((start) => code.startsWith(start) && code.length === 5);
}
