/** How long the server may take to say goodbye. */
const GOODBYE_MS = 1_000;

/**
 * Ends a connection. Where nobody answers any more, as in a network that has gone silent, it is cut, for what it waits
 * for may never come; the server rolls back what is open.
 */
export async function disconnect(end: () => Promise<unknown>, cut: () => void): Promise<void> {
  const patience = setTimeout(cut, GOODBYE_MS);
  await end().catch(() => undefined); // it is gone already
  clearTimeout(patience);
}
