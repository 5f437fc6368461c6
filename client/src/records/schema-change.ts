import type { EntryWrite, RefusedWrite } from '../store/store.js';
import type { TableSchema } from './columns.js';
import type { Entry } from './record.js';
import { refusal, type Verdict } from './verdict.js';

/** Fits pending edits to a new schema: values of tables and columns that are gone go into `sync.rejected`. */
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
    const values = Object.entries(entry.patch);
    const kept = values.filter(([name]) => table.columns.has(name));
    const lost = values.filter(([name]) => !table.columns.has(name));
    if (lost.length === 0) continue;
    const names = lost.map(([name]) => name).join(', ');
    refuse({ ...entry, patch: Object.fromEntries(lost) }, 'column_gone', `column ${names}`);
    const isEmpty = kept.length === 0 && entry.operation === 'update';
    const left = isEmpty ? null : { ...entry, patch: Object.fromEntries(kept) };
    changed.push({ table: entry.table, id: entry.id, entry: left });
  }
  return { entries: changed, refused };
}
