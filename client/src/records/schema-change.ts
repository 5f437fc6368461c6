import type { EntryWrite, RefusedWrite } from '../store/store.js';
import type { TableSchema } from './columns.js';
import type { Entry } from './record.js';
import { refusal, type Verdict } from './verdict.js';

/** Fits pending edits to a new schema: values of tables and columns that are gone go into `sync.rejected`. */
export function fitEntries(
  tables: ReadonlyMap<string, TableSchema>,
  entries: Iterable<Entry>,
): {
  readonly entries: readonly EntryWrite[];
  readonly refused: readonly RefusedWrite[];
  /** Edits of which nothing is left to push. */
  readonly ended: readonly { readonly entry: Entry; readonly verdict: Verdict }[];
} {
  const changed: EntryWrite[] = [];
  const refused: RefusedWrite[] = [];
  const ended: { readonly entry: Entry; readonly verdict: Verdict }[] = [];
  const refuse = (entry: Entry, reason: string, what: string): Verdict => {
    const message = `the server's schema has no ${what} any more`;
    const verdict: Verdict = { status: 'rejected', reason, message };
    const item = refusal(entry, verdict, null);
    // The rest of the edit may be refused later, under the edit's own key.
    const key = `${entry.table}/${entry.id}: ${what}#${entry.generation}`;
    refused.push({ key, refused: { ...item, key } });
    return verdict;
  };
  const end = (entry: Entry, verdict: Verdict): void => {
    changed.push({ table: entry.table, id: entry.id, entry: null });
    ended.push({ entry, verdict });
  };
  for (const entry of entries) {
    const table = tables.get(entry.table);
    if (!table) {
      end(entry, refuse(entry, 'table_gone', `table ${entry.table}`));
      continue;
    }
    const values = Object.entries(entry.patch);
    const kept = values.filter(([name]) => table.columns.has(name));
    const lost = values.filter(([name]) => !table.columns.has(name));
    if (lost.length === 0) continue;
    const names = lost.map(([name]) => name).join(', ');
    const verdict = refuse({ ...entry, patch: Object.fromEntries(lost) }, 'column_gone', `column ${names}`);
    if (kept.length === 0 && entry.operation === 'update') end(entry, verdict);
    else
      changed.push({
        table: entry.table,
        id: entry.id,
        entry: { ...entry, patch: Object.fromEntries(kept) },
      });
  }
  return { entries: changed, refused, ended };
}
