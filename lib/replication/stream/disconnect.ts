/** How long the server may take to say goodbye. */
const GOODBYE_MS = 1_000;

/**
 * Ends a connection. Cuts it where the other side doesn't answer, as in a network that has gone silent. The server
 * rolls back open transactions.
 */
export async function disconnect(end: () => Promise<unknown>, cut: () => void): Promise<void> {
  const patience = setTimeout(cut, GOODBYE_MS);
  await end().catch(() => undefined); // it is gone already
  clearTimeout(patience);
}
