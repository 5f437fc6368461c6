import { Client } from './engine/client.js';
import { Replica } from './engine/replica.js';
import type { SyncOptions } from './options.js';
import { memoryStore } from './store/memory-store.js';
import type { Sync, Transaction, TypedTable } from './sync.js';
import type { AnyTables, TablesOf } from './tables.js';
import { tableOf } from './view/table.js';
import { transact } from './view/transaction.js';

const DEFAULT_TIMEOUT = 30_000;

/**
 * Opens a user's data on this device and begins to sync it. Resolves as soon as the data can be used, online or not.
 *
 * @throws SyncError `store_of_another_user`
 */
export async function createSync<Tables extends TablesOf<Tables> = AnyTables>(
  options: SyncOptions,
): Promise<Sync<Tables>> {
  const { user, store = memoryStore(), platform = 'web', ...rest } = options;
  const replica = await Replica.open(await store.open(user), user);
  const client = new Client(replica, { ...rest, platform });
  await client.start();
  const { edits, refusals, status } = client;
  return {
    status,
    rejected: {
      get: refusals.list.get,
      subscribe: refusals.list.subscribe,
      retry: (key) => edits.retry(key),
      discard: (key) => edits.discard(key),
    },
    table: <Name extends keyof Tables & string>(name: Name) =>
      tableOf(name, replica, edits) as unknown as TypedTable<Tables, Name>,
    transaction: (work) =>
      transact(replica, edits, (draft) =>
        work({ table: (name) => draft.table(name) } as Transaction<Tables>),
      ),
    on: (event, listener) =>
      event === 'conflict'
        ? refusals.onConflict(listener)
        : refusals.onRejected(listener as Parameters<typeof refusals.onRejected>[0]),
    caughtUp: ({ timeout = DEFAULT_TIMEOUT } = {}) => client.catchUp(timeout),
    signOut: ({ pending = 'push', timeout = DEFAULT_TIMEOUT } = {}) => client.signOut(pending, timeout),
    close: () => client.close(),
  };
}
