import { quoteIdentifier } from '../../common/identifiers.js';
import { withoutPadding } from '../../common/canonical-id.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { matchingValues } from '../rules/matching-values.js';
import type { TrackedTables } from '../tables/tracked-tables.js';

/**
 * Rows of one read, with the needed columns or with all: a cascade or a backfill holds up to three chunks in memory.
 */
const CHUNK_ROWS = { needed: 2_000, all: 500 } as const;
/**
 * A row with more characters is read again by itself, or with a few others, up to so many altogether: FETCH counts rows,
 * however wide they are.
 */
const WIDE_ROW = 32 * 1024;
const MOST_TEXT = 8 * 1024 * 1024;

let cursors = 0;

/** Which rows of a table are read. */
export type RowFilter = { readonly column: string; readonly values: readonly string[] } | 'all';

type RowData = ResolveRow['data'];

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
  tx.markReadAhead();
  // No other statement is under way while halving finds a row that can't be written.
  const isAhead = !tx.careful && tracked.allowsPrefetch;
  const list = tracked.readListSql(table);
  const padded = tracked.paddedColumns(table.schema, table.name);
  const toRow = (row: RowData): ResolveRow => {
    const data = padded.size === 0 ? row : withoutPaddings(row, padded);
    return { recordId: data[table.idColumn] ?? '', data };
  };
  const select = (where: string): string => `SELECT ${list} FROM ${table.sql}${where}`;
  if (tracked.columnsOf(table) !== 'all') {
    for await (const rows of throughCursor(tx, select, CHUNK_ROWS.needed, filter, isAhead))
      yield rows.map(toRow);
    return;
  }
  for await (const rows of throughCursor(
    tx,
    (where) => measuredSql(table, select(where)),
    CHUNK_ROWS.all,
    filter,
    isAhead,
  )) {
    const wide = new Map<string, number>();
    const narrow: ResolveRow[] = [];
    for (const { [ID]: id, [LENGTH]: length, ...data } of rows) {
      if (Number(length) > WIDE_ROW) wide.set(id ?? '', Number(length));
      else narrow.push(toRow(data));
    }
    if (narrow.length > 0) yield narrow;
    for (const ids of byText(wide.keys(), (id) => wide.get(id) ?? 0))
      yield (
        await matchingValues(tx, table.idColumn, (condition) =>
          tx.textRows(select(` WHERE ${condition}`), [ids]),
        )
      ).map(toRow);
  }
}

/**
 * Splits items, in their order, into parts of at most the number of characters that may be held; one larger item is a
 * part.
 */
export function* byText<Item>(
  items: Iterable<Item>,
  lengthOf: (item: Item) => number,
): Generator<readonly Item[]> {
  let part: Item[] = [];
  let text = 0;
  for (const item of items) {
    const length = lengthOf(item);
    if (part.length > 0 && text + length > MOST_TEXT) {
      yield part;
      part = [];
      text = 0;
    }
    part.push(item);
    text += length;
  }
  if (part.length > 0) yield part;
}

const ID = 'sync row id';
const LENGTH = 'sync row length';

/** All columns of each row, its key and how long it is as text; of a {@link WIDE_ROW} no more than these two. */
function measuredSql(table: SyncTable, rows: string): string {
  return `SELECT sync_row.${quoteIdentifier(table.idColumn)} AS ${quoteIdentifier(ID)},
      measured.length AS ${quoteIdentifier(LENGTH)}, narrow.*
    FROM (${rows}) AS sync_row
    CROSS JOIN LATERAL (SELECT octet_length((sync_row.*)::text) AS length OFFSET 0) AS measured
    LEFT JOIN LATERAL (SELECT sync_row.*) AS narrow ON measured.length <= ${WIDE_ROW}`;
}

async function* throughCursor(
  tx: ChangelogTransaction,
  select: (where: string) => string,
  size: number,
  filter: RowFilter,
  isAhead: boolean,
): AsyncGenerator<readonly RowData[]> {
  const cursor = quoteIdentifier(`sync_rows_${++cursors}`);
  const declare = (where: string): string => `DECLARE ${cursor} NO SCROLL CURSOR FOR ${select(where)}`;
  if (filter === 'all') await tx.query(declare(''));
  else {
    await matchingValues(tx, filter.column, (condition) =>
      tx.query(declare(` WHERE ${condition}`), [filter.values]),
    );
  }
  const fetch = (): Promise<readonly RowData[]> => tx.asked(tx.textRows(`FETCH ${size} FROM ${cursor}`));
  let next = isAhead ? fetch() : null;
  for (let isLast = false; !isLast;) {
    const rows = await (next ?? fetch());
    isLast = rows.length < size;
    next = isLast || !isAhead ? null : fetch();
    if (rows.length > 0) yield rows;
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
