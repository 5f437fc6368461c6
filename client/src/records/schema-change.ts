import type { EntryWrite, RefusedWrite } from '../store/store.js';
import type { TableSchema } from './columns.js';
import type { Entry } from './record.js';
import { refusal, type Verdict } from './verdict.js';

/** Pending edits under a new schema: what names a table or column that is gone goes into `sync.rejected`. */
export function fitEntries(
  tables: ReadonlyMap<string, TableSchema>,
  entries: Iterable<Entry>,
): { readonly entries: readonly EntryWrite[]; readonly refused: readonly RefusedWrite[] } {
  const changed: EntryWrite[] = [];
  const refused: RefusedWrite[] = [];
  const refuse = (entry: Entry, reason: string, what: string): void => {
    const message = `the server's schema has no ${what} any more`;
    const verdict: Verdict = { status: 'rejected', reason, message };
    const item = refusal(entry, verdict, null);
    refused.push({ key: item.key, refused: item });
  };
  for (const entry of entries) {
    const table = tables.get(entry.table);
    if (!table) {
      refuse(entry, 'table_gone', `table ${entry.table}`);
      changed.push({ table: entry.table, id: entry.id, entry: null });
      continue;
    }
    const gone = Object.keys(entry.patch).filter((name) => !table.columns.has(name));
    if (gone.length === 0) continue;
    const kept = Object.entries(entry.patch).filter(([name]) => table.columns.has(name));
    const lost = Object.entries(entry.patch).filter(([name]) => !table.columns.has(name));
    refuse({ ...entry, patch: Object.fromEntries(lost) }, 'column_gone', `column ${gone.join(', ')}`);
    const isEmpty = kept.length === 0 && entry.operation === 'update';
    changed.push({
      table: entry.table,
      id: entry.id,
      entry: isEmpty
        ? null
        : {
            ...entry,
            patch: Object.fromEntries(kept),
          },
    });
  }
  return { entries: changed, refused };
}
