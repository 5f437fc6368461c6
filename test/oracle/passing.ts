/** What a trigger of the world's raises. */
export const RAISED = 'not this one';
/** Somebody has deleted the parent meanwhile, a CHECK or a UNIQUE index refuses it, or a transaction has held what it waits for itself for too long. */
const ALWAYS = ['23503', '23505', '23514', '25P03', '25P04'];
/**
 * What a writer's statement may end with besides, when a server goes away: classes of SQLSTATEs of lost connections,
 * aborted transactions, conflicts, resources, locks and shutdown.
 */
const DISTURBED = ['08', '25P02', '40', '53', '55', '57'];
/** What pg says of a connection that ended. */
const LOST = ['Connection terminated', 'Client has encountered a connection error'];
const CONNECTION = ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'];

/**
 * Whether it is nobody's fault that this failed, and a retry may succeed.
 *
 * @param isDisturbed something is broken on purpose
 */
export function passing(error: unknown, isDisturbed: boolean): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? String(error.code) : '';
  if (ALWAYS.includes(code) || error.message === RAISED) return true;
  // So ends who is idle in a transaction for too long, too.
  if (LOST.some((start) => error.message.startsWith(start))) return true;
  if (!isDisturbed) return false;
  if (error instanceof TypeError && error.message === 'fetch failed') return true;
  return CONNECTION.includes(code) || DISTURBED.some((start) => code.startsWith(start) && code.length === 5);
}
