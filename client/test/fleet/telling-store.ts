import type { Refused } from '../../src/records/record.js';
import type { Store, Writes } from '../../src/store/store.js';

/** The events that a store reports to a test. */
export interface StoreNews {
  /** Refused edits go, as a user signs out. */
  readonly gone: (refused: readonly Refused[]) => unknown;
  /** Pending or refused edits were stored. */
  readonly stored: (writes: Pick<Writes, 'entries' | 'refused'>) => unknown;
}

/** A store that tells what becomes of edits. */
export function tellingStore(store: Store, news: StoreNews): Store {
  return {
    open: async (user) => {
      const inner = await store.open(user);
      return {
        storage: inner.storage,
        tabs: inner.tabs,
        transact: async (reads, decide) => {
          let writes: Writes = {};
          const result = await inner.transact(reads, (state) => {
            const decision = decide(state);
            writes = decision.writes ?? {};
            return decision;
          });
          const { entries = [], refused = [] } = writes;
          if (entries.length + refused.length > 0) news.stored({ entries, refused });
          return result;
        },
        readTable: (table) => inner.readTable(table),
        close: () => inner.close(),
        destroy: (check) =>
          inner.destroy((last) => {
            check?.(last);
            // A tab may be killed before it hears that they have gone.
            news.gone([...last.refused.values()]);
          }),
      };
    },
  };
}
