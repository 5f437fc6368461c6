import type { RowWrite, EntryWrite } from '../store/store.js';
import type { WireRecord } from '../wire/messages.js';
import type { TableSchema } from './columns.js';
import { seenRow } from './edit.js';
import { keyOf, type Entry, type RecordKey, type Row } from './record.js';
import { compareTimes } from './times.js';
import { readRow } from './wire-values.js';

/** A record as an answer of the server has it: its row, or null when it is deleted. */
export interface ServerRecord extends RecordKey {
  readonly row: Row | null;
  /** The row's `updated_at`, to compare with the device's; undefined for a delete. */
  readonly version?: string;
}

/** Leaves out records of tables that this client does not know: the next request brings the new schema. */
export function readRecords(
  tables: ReadonlyMap<string, TableSchema>,
  records: readonly WireRecord[],
): readonly ServerRecord[] {
  return records.flatMap(({ table_name: name, id, data, updated_at: version, deleted_at: deletedAt }) => {
    const table = tables.get(name);
    if (!table) return [];
    return [{ table: name, id, version, row: typeof deletedAt === 'string' ? null : readRow(table, data) }];
  });
}

/**
 * Computes the writes for pulled records: pending edits stay on top.
 *
 * @param applied Times of the pushes that were applied while the answer was under way, by key: it may be older.
 */
export function applyRecords(
  tables: ReadonlyMap<string, TableSchema>,
  records: readonly ServerRecord[],
  entries: ReadonlyMap<string, Entry>,
  stamp: number,
  applied: ReadonlyMap<string, string>,
): { readonly rows: readonly RowWrite[]; readonly entries: readonly EntryWrite[] } {
  const rows: RowWrite[] = [];
  const changed: EntryWrite[] = [];
  for (const { table: name, id, row, version } of records) {
    const table = tables.get(name);
    const key = keyOf({ table: name, id });
    const known = applied.get(key);
    if (!table || (known !== undefined && compareTimes(version, known) < 0)) continue;
    const pending = entries.get(key);
    if (!pending) {
      rows.push({ table: name, id, row, stamp });
      continue;
    }
    // The server has deleted it, too.
    const isDone = pending.operation === 'delete' && row === null;
    const entry: Entry = { ...pending, server: row, stamp };
    changed.push({ table: name, id, entry: isDone ? null : entry });
    rows.push({ table: name, id, row: isDone ? null : seenRow(table, entry), stamp });
  }
  return { rows, entries: changed };
}
