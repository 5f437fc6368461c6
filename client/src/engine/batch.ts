import type { TableSchema } from '../records/columns.js';
import { namedId } from '../records/ids.js';
import { keyOf, type Entry } from '../records/record.js';
import { sentValues } from '../records/wire-values.js';
import type { PushChange } from '../wire/messages.js';

/**
 * The next entries to push, in the order of their last edits. A transaction's entries go together, unless one of them
 * has to wait.
 *
 * @param limit Records of the batch; {@link BATCH} unless the server could not take a larger one.
 * @param isWaiting Whether a record was refused for now; what was created under it waits with it.
 */
export function nextBatch(
  entries: readonly Entry[],
  tables: ReadonlyMap<string, TableSchema>,
  isWaiting: (key: string) => boolean,
  limit: number,
): readonly Entry[] {
  const held = heldBack(entries, tables, isWaiting);
  const due = parentsFirst(
    entries
      .filter((entry) => !held.has(keyOf(entry)))
      .toSorted((left, right) => left.group - right.group || left.generation - right.generation),
    tables,
  );
  const batch: Entry[] = [];
  let size = 0;
  for (const entry of due) {
    size += JSON.stringify(entry.patch).length;
    const isFull = batch.length >= limit || size > MAX_BATCH_CHARACTERS;
    const isSameGroup = entry.group === batch.at(-1)?.group;
    // A transaction is pushed whole, unless it is too large for any push, or the server can't take a larger one now.
    const goesWhole = isSameGroup && limit === BATCH && batch.length < MAX_GROUP;
    if (batch.length > 0 && isFull && !goesWhole) break;
    batch.push(entry);
  }
  return batch;
}

/** Records of a push; the server takes 2,000 by default. */
export const BATCH = 200;
/** The server takes 16 MB by default. */
const MAX_BATCH_CHARACTERS = 1_000_000;
const MAX_GROUP = 1_000;

function heldBack(
  entries: readonly Entry[],
  tables: ReadonlyMap<string, TableSchema>,
  isWaiting: (key: string) => boolean,
): ReadonlySet<string> {
  const held = new Set(entries.map(keyOf).filter(isWaiting));
  // Parents may come after their children: until nothing is added.
  for (let before = -1; before !== held.size;) {
    before = held.size;
    if (held.size === 0) break;
    for (const entry of entries) {
      const parent = parentKey(entry, tables);
      if (parent !== undefined && held.has(parent)) held.add(keyOf(entry));
    }
  }
  return held;
}

/** A parent that was edited again after its children were made still goes before them. */
function parentsFirst(entries: readonly Entry[], tables: ReadonlyMap<string, TableSchema>): readonly Entry[] {
  const byKey = new Map(entries.map((entry) => [keyOf(entry), entry]));
  const ordered = new Set<Entry>();
  const add = (entry: Entry): void => {
    if (ordered.has(entry)) return;
    const parent = parentKey(entry, tables);
    const made = parent === undefined ? undefined : byKey.get(parent);
    if (made?.operation === 'create') add(made);
    ordered.add(entry);
  };
  for (const entry of entries) add(entry);
  return [...ordered];
}

/** The {@link keyOf} of the record that an entry's record is created under. */
export function parentKey(entry: Entry, tables: ReadonlyMap<string, TableSchema>): string | undefined {
  const parent = tables.get(entry.table)?.parent;
  const id = namedId(parent ? entry.patch[parent.column] : undefined);
  return parent && id !== undefined ? keyOf({ table: parent.table, id }) : undefined;
}

export function pushChange(table: TableSchema, entry: Entry): PushChange {
  const base = entry.base?.[table.updatedAt];
  return {
    id: entry.id,
    table_name: entry.table,
    operation: entry.operation,
    data: entry.operation === 'delete' ? null : sentValues(table, entry.patch),
    client_updated_at: entry.at,
    base_updated_at: typeof base === 'string' ? base : null,
  };
}
