import type { ClientBase } from 'pg';

const corked = new WeakSet<ClientBase>();

/**
 * What is sent from here on goes out in one piece, when there is nothing more to do without waiting: a system call for
 * each statement is a good part of what a small transaction costs.
 */
export function corkUntilNextTick(client: ClientBase): void {
  if (corked.has(client)) return;
  corked.add(client);
  const { stream } = (client as ClientBase & PostgresClient).connection;
  stream.cork();
  process.nextTick(() => {
    corked.delete(client);
    stream.uncork();
  });
}

/** As much of pg's client as is needed here. */
interface PostgresClient {
  readonly connection: { readonly stream: { cork(): void; uncork(): void } };
}
