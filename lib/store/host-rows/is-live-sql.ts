import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';

/**
 * A boolean SQL expression: is this row not soft-deleted? In a table without a delete time every row is live.
 * @param alias the row's alias in the statement, unquoted
 */
export function isLiveSql({ deletedAtColumn }: SyncTable, alias: string): string {
  if (deletedAtColumn === null) return 'true';
  return `${quoteIdentifier(alias)}.${quoteIdentifier(deletedAtColumn)} IS NULL`;
}
