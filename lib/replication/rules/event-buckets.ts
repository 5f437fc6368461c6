import { groupBy } from '../../common/collections.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import type { BucketRules } from './bucket-rules.js';
import { byText, currentRows } from '../membership/current-rows.js';
import { rowsToResolve, type RowEvent } from '../stream/row-events.js';
import type { TrackedTables } from '../tables/tracked-tables.js';

/**
 * Resolves the own buckets of events' rows. Rows with an unchanged TOASTed value that was not sent are read again
 * (hazard W-WAL-11) and resolved in chunks: they may be wide, so only the columns that their edges need are kept.
 * @param events of one table
 */
export async function askForBuckets(
  tx: ChangelogTransaction,
  tracked: TrackedTables,
  rules: BucketRules,
  table: SyncTable,
  events: readonly RowEvent[],
): Promise<void> {
  const open = events.filter(({ row, isAsked }) => row !== null && !isAsked);
  await ask(
    tx,
    rules,
    table,
    open.filter(({ incomplete }) => !incomplete),
  );
  const incomplete = groupBy(
    open.filter((event) => event.incomplete),
    ({ recordId }) => recordId,
  );
  const filter = { column: table.idColumn, values: [...incomplete.keys()] };
  for await (const rows of currentRows(tx, tracked, table, filter)) {
    const complete: RowEvent[] = [];
    for (const { recordId, data } of rows) {
      for (const event of incomplete.get(recordId) ?? []) {
        if (event.row) event.row = { recordId, data: { ...data, ...event.row.data } };
        complete.push(event);
      }
      incomplete.delete(recordId);
    }
    for (const part of byText(complete, textLength)) await ask(tx, rules, table, part);
    for (const event of complete) if (event.row) event.row = structure(table, event.row);
  }
  for (const gone of incomplete.values()) for (const event of gone) event.unknown = true;
}

async function ask(
  tx: ChangelogTransaction,
  rules: BucketRules,
  table: SyncTable,
  events: readonly RowEvent[],
): Promise<void> {
  const { buckets, failures } = await rules.resolve(tx, table, rowsToResolve(events));
  const failed = new Map(failures.map(({ row, error }) => [row.data, error]));
  for (const [place, event] of events.entries()) {
    event.isAsked = true;
    event.own = buckets[place] ?? null;
    const error = event.row ? failed.get(event.row.data) : undefined;
    event.failure = error ? { row: { recordId: event.recordId, data: {} }, error } : null;
  }
}

function textLength({ row }: RowEvent): number {
  return Object.values(row?.data ?? {}).reduce((length, value) => length + (value?.length ?? 0), 0);
}

/** The columns of a row that are needed once its own buckets are resolved. */
function structure(
  { idColumn, parentFkColumn, updatedAtColumn, deletedAtColumn }: SyncTable,
  { recordId, data }: ResolveRow,
): ResolveRow {
  const columns = [idColumn, parentFkColumn, updatedAtColumn, deletedAtColumn].filter(
    (each) => each !== null,
  );
  return { recordId, data: Object.fromEntries(columns.map((column) => [column, data[column] ?? null])) };
}
