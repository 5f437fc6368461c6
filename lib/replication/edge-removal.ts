import { quoteIdentifier } from '../common/identifiers.js';
import type { SyncTable } from '../registry/sync-table.js';
import type { ChangelogTransaction } from '../store/changelog-transaction.js';
import { Operation } from './edge-diff.js';

/**
 * Removes the edges of rows that are no longer there, telling the buckets that still saw them, unless it is to be
 * `silent`: every device takes a snapshot anyway, or there is none.
 * @returns whether there were any: children may inherit from them still
 */
export async function removeOrphans(
  tx: ChangelogTransaction,
  table: SyncTable,
  { silent = false }: { readonly silent?: boolean } = {},
): Promise<boolean> {
  // With its table's name, as the host's table may have a column of that name.
  const orphan = `NOT EXISTS (
    SELECT FROM ${table.sql} t WHERE t.${quoteIdentifier(table.idColumn)}::text = e.record_id)`;
  tx.noteLook();
  return (await tx.removeEdges(table.name, orphan, silent ? null : Operation.delete)) > 0;
}

/** Removes all edges of a table that was truncated, and forgets which of its rows were waiting. */
export async function removeAllEdges(tx: ChangelogTransaction, table: SyncTable): Promise<void> {
  await tx.removeEdges(table.name, 'true', Operation.delete);
  await tx.query('DELETE FROM :sync.sync_waiting_rows WHERE table_name = $1', [table.name]);
}
