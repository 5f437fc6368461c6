import type { ResolveRow } from '../resolvers/ownership-resolver.js';
import type { ChangelogTransaction } from '../store/changelog-transaction.js';
import { currentRows } from './current-rows.js';
import type { RowEvent } from './row-events.js';
import type { TrackedTables } from './tracked-tables.js';

/**
 * Reads again the rows of which an unchanged TOASTed value was not sent (hazard W-WAL-11).
 * @param events of one table
 */
export async function completeRows(
  tx: ChangelogTransaction,
  tracked: TrackedTables,
  events: readonly RowEvent[],
): Promise<void> {
  const incomplete = events.filter((event) => event.incomplete);
  const [first] = incomplete;
  if (!first) return;
  const { table } = first;
  const values = [...new Set(incomplete.map((event) => event.recordId))];
  const filter = { column: table.idColumn, values };
  const current = new Map<string, ResolveRow['data']>();
  for await (const rows of currentRows(tx, tracked, table, filter)) {
    for (const row of rows) current.set(row.recordId, row.data);
  }
  for (const event of incomplete) {
    const { recordId, row } = event;
    const data = current.get(recordId);
    event.unknown = data === undefined;
    if (data && row) event.row = { recordId, data: { ...data, ...row.data } };
  }
}
