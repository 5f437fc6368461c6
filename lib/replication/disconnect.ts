import type { Client } from 'pg';

/** How long the server may take to say goodbye. */
export const GOODBYE_MS = 1_000;

/**
 * Ends a connection. Where nobody answers any more, as in a network that has gone silent, it is cut, for what it waits
 * for may never come; the server rolls back what is open.
 */
export async function disconnect(client: Client): Promise<void> {
  const cut = setTimeout(() => client.connection.stream.destroy(), GOODBYE_MS);
  await client.end().catch(() => undefined);
  clearTimeout(cut);
}
