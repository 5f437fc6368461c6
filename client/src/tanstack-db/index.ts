import type { CollectionConfig, SyncConfig } from '@tanstack/db';
import { SyncError } from '../sync-error.js';
import type { Table } from '../view/table.js';

/** A Standard Schema: a collection takes what a create takes, and makes a whole row of it. */
export interface RowSchema<R, Create> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => { readonly value: R };
    readonly types?: { readonly input: Create; readonly output: R };
  };
}

/** The options of a table's collection. */
export type SyncCollectionOptions<R extends object, Create extends object> = CollectionConfig<
  R,
  string,
  RowSchema<R, Create>
> & { readonly schema: RowSchema<R, Create> };

/**
 * A table as a collection of TanStack DB, by the ids of its rows:
 * `createCollection(syncCollectionOptions(sync.table('tasks')))`. Rows come from the client's own store, also offline.
 * An insert, an update or a delete is an edit of the table's, several rows at once are one step here and one push; its
 * transaction is persisted as soon as the edit is durable on the device. The server's refusals and conflicts then come
 * as changes of the rows, and as events of `sync`.
 */
export function syncCollectionOptions<R extends object, Create extends object, Update extends object>(
  table: Table<R, Create, Update>,
): SyncCollectionOptions<R, Create> {
  return {
    id: table.name,
    getKey: (row) => idOf(table, row),
    schema: {
      '~standard': {
        version: 1,
        vendor: 'nestjs-synchro-client',
        // Of an update it gets the whole row, which stays as it is.
        validate: (value) => ({ value: table.draft(value as Create) }),
      },
    },
    sync: { rowUpdateMode: 'full', sync: (run) => follow(table, run) },
    onInsert: async ({ transaction: { mutations } }) => {
      await table.transaction((edits) => {
        // The values that the app gave, and the id that the draft has.
        for (const { key, changes } of mutations) edits.create({ ...changes, [table.key]: key } as Create);
      });
    },
    onUpdate: async ({ transaction: { mutations } }) => {
      await table.transaction((edits) => {
        for (const { key, changes } of mutations) edits.update(key, changes as Update);
      });
    },
    onDelete: async ({ transaction: { mutations } }) => {
      await table.transaction((edits) => {
        for (const { key } of mutations) edits.delete(key);
      });
    },
  };
}

/** Brings the rows that the table has now into the collection, then each change as one commit. @returns what ends it */
function follow<R extends object, Create, Update>(
  table: Table<R, Create, Update>,
  { begin, write, commit, markReady, markError }: Parameters<SyncConfig<R, string>['sync']>[0],
): () => void {
  const known = new Map<string, R>();
  const bring = (ids: Iterable<string>): void => {
    begin();
    for (const id of ids) {
      const [before, row] = [known.get(id), table.get(id)];
      if (row === before) continue;
      if (row) {
        known.set(id, row);
        write({ type: before ? 'update' : 'insert', value: row });
      } else {
        known.delete(id);
        write({ type: 'delete', key: id });
      }
    }
    void commit();
  };
  const bringAll = (): void =>
    bring(new Set([...known.keys(), ...table.query().map((row) => idOf(table, row))]));
  const stop = table.subscribe((changed) => (changed ? bring(changed) : bringAll()));
  table.load().then(() => {
    bringAll();
    markReady();
  }, markError);
  return stop;
}

function idOf<R extends object>(table: Pick<Table<R, never, never>, 'name' | 'key'>, row: R): string {
  const id = (row as Record<string, unknown>)[table.key];
  if (typeof id === 'string') return id;
  if (typeof id === 'number') return String(id);
  throw new SyncError('invalid_value', `${table.name}.${table.key} is the rows' id, and missing in one`);
}
