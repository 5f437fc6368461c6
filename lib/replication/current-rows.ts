import { quoteIdentifier } from '../common/identifiers.js';
import { withoutPadding } from '../common/canonical-id.js';
import type { SyncTable } from '../registry/sync-table.js';
import type { ResolveRow } from '../resolvers/ownership-resolver.js';
import type { ChangelogTransaction } from '../store/changelog-transaction.js';
import { matchingValues } from './matching-values.js';
import type { TrackedTables } from './tracked-tables.js';

/**
 * Rows read at once, with the columns that are needed or with all, which may be wide: a cascade or a backfill holds up to
 * three chunks in memory.
 */
const CHUNK_ROWS = { needed: 2_000, all: 500 } as const;

let cursors = 0;

/** Which rows of a table are read. */
export type RowFilter = { readonly column: string; readonly values: readonly string[] } | 'all';

/**
 * Reads current rows in chunks through a cursor of the caller's transaction: one scan, however many there are. While a
 * chunk is worked on, the next one is on its way.
 */
export async function* currentRows(
  tx: ChangelogTransaction,
  tracked: TrackedTables,
  table: SyncTable,
  filter: RowFilter,
): AsyncGenerator<readonly ResolveRow[]> {
  if (filter !== 'all' && filter.values.length === 0) return;
  tx.noteLook();
  const columns = tracked.columnsOf(table);
  const padded = tracked.paddedColumns(table.schema, table.name);
  const size = CHUNK_ROWS[columns === 'all' ? 'all' : 'needed'];
  const list = columns === 'all' ? '*' : [...columns].map(quoteIdentifier).join(', ');
  const cursor = quoteIdentifier(`sync_rows_${++cursors}`);
  const declare = `DECLARE ${cursor} NO SCROLL CURSOR FOR SELECT ${list} FROM ${table.sql}`;
  if (filter === 'all') await tx.query(declare);
  else {
    await matchingValues(tx, filter.column, (condition) =>
      tx.query(`${declare} WHERE ${condition}`, [filter.values]),
    );
  }
  const fetch = (): Promise<readonly ResolveRow['data'][]> =>
    tx.asked(tx.textRows(`FETCH ${size} FROM ${cursor}`));
  for (let next = fetch(), isLast = false; !isLast;) {
    const rows = await next;
    isLast = rows.length < size;
    if (!isLast) next = fetch();
    if (rows.length === 0) continue;
    yield rows.map((row) => {
      const data = padded.size === 0 ? row : withoutPaddings(row, padded);
      return { recordId: data[table.idColumn] ?? '', data };
    });
  }
  await tx.query(`CLOSE ${cursor}`);
}

/** As the stream's decoder has them. */
function withoutPaddings(row: ResolveRow['data'], padded: ReadonlySet<string>): ResolveRow['data'] {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      value !== null && value !== undefined && padded.has(column) ? withoutPadding(value) : value,
    ]),
  );
}

/** Those of some records that are there now. */
export async function presentIds(
  tx: ChangelogTransaction,
  table: SyncTable,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const id = quoteIdentifier(table.idColumn);
  const { rows } = await matchingValues(tx, table.idColumn, (condition) =>
    tx.query<{ id: string }>(`SELECT ${id}::text AS id FROM ${table.sql} WHERE ${condition}`, [ids]),
  );
  return new Set(rows.map((row) => row.id));
}
