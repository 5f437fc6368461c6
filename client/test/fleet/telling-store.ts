import type { Refused } from '../../src/records/record.js';
import type { Store } from '../../src/store/store.js';

/** A store that tells which refused edits go when a user signs out. */
export function tellingStore(store: Store, onGone: (refused: readonly Refused[]) => unknown): Store {
  return {
    open: async (user) => {
      const inner = await store.open(user);
      return {
        storage: inner.storage,
        tabs: inner.tabs,
        transact: (reads, decide) => inner.transact(reads, decide),
        readTable: (table) => inner.readTable(table),
        close: () => inner.close(),
        destroy: async (check) => {
          const refused = await inner.transact({ refused: true }, (state) => ({
            result: [...state.refused.values()],
          }));
          await inner.destroy(check);
          await onGone(refused);
        },
      };
    },
  };
}
