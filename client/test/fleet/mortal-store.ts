import type { Store, Tabs } from '../../src/store/store.js';
import type { Fate } from './fate.js';

/** A store as one process has it open, which may die, freeze or find no space at any transaction. */
export function mortalStore(store: Store, fate: Fate, tabs: Tabs | null): Store {
  return {
    open: async (user) => {
      const inner = await store.open(user);
      return {
        storage: inner.storage,
        tabs,
        transact: async (reads, decide) => {
          await fate.awake();
          let writes = false;
          const result = await inner.transact(reads, (state) => {
            const decision = decide(state);
            writes = decision.writes !== undefined;
            if (writes) fate.beforeWrite();
            return decision;
          });
          if (writes) fate.afterWrite();
          return result;
        },
        readTable: async (table) => {
          await fate.awake();
          return inner.readTable(table);
        },
        close: () => inner.close(),
        destroy: async (check) => {
          await fate.awake();
          await inner.destroy(check);
        },
      };
    },
  };
}
