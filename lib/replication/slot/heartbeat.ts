import type { Client } from 'pg';

/**
 * Lets the server close a writer's connection, and so let go of its transaction and locks, once its process has given no
 * sign of life for this long: frozen, or cut off without the server's knowing, it would keep the next leader waiting for
 * the stored position. A process that lives gives signs by itself, also while a rule of the host's takes its time.
 * @param milliseconds 0: the connection stays as long as the network keeps it
 * @returns ends the signs
 */
export async function heartbeat(client: Client, milliseconds: number): Promise<() => void> {
  if (milliseconds === 0) return () => undefined;
  await client.query(
    `SET idle_in_transaction_session_timeout = ${milliseconds}; SET idle_session_timeout = ${milliseconds}`,
  );
  let unanswered = false;
  const timer = setInterval(() => {
    // Behind a long statement one sign is enough.
    if (unanswered) return;
    unanswered = true;
    client
      .query('SELECT')
      .catch(() => undefined) // the consumer's own query reports it
      .finally(() => (unanswered = false));
  }, milliseconds / 3);
  return () => clearInterval(timer);
}
