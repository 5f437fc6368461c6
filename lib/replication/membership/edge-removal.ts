import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { Operation } from '../../store/changelog/operation.js';

/** A condition over `e`, an edge: its row is no longer there. */
export function orphanSql(table: SyncTable): string {
  // With its table's name, as the host's table may have a column of that name.
  return `NOT EXISTS (
    SELECT FROM ${table.sql} t WHERE t.${quoteIdentifier(table.idColumn)}::text = e.record_id)`;
}

/**
 * Removes the edges of rows that no longer exist, with entries for the buckets in which they were live, unless
 * `silent`.
 * @returns whether there were any
 */
export async function removeOrphans(
  tx: ChangelogTransaction,
  table: SyncTable,
  { silent = false }: { readonly silent?: boolean } = {},
): Promise<boolean> {
  tx.markReadAhead();
  return (await tx.removeEdges(table.name, orphanSql(table), silent ? null : Operation.delete)) > 0;
}

const PAGE_ROWS = 2_000;

/** The records of a table with edges that meet a condition, in pages: for removals that fail as one statement. */
export async function* recordsWithEdges(
  tx: ChangelogTransaction,
  table: SyncTable,
  condition: string,
): AsyncGenerator<ReadonlySet<string>> {
  for (let after = ''; ;) {
    const { rows } = await tx.query<{ id: string }>(
      `SELECT DISTINCT e.record_id AS id FROM :sync.sync_bucket_edges e
        WHERE e.table_name = $1 AND e.record_id > $2 AND ${condition} ORDER BY e.record_id LIMIT ${PAGE_ROWS}`,
      [table.name, after],
    );
    if (rows.length > 0) yield new Set(rows.map(({ id }) => id));
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)?.id ?? after;
  }
}
