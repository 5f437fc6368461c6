import type { SynchroErrorCode, SynchroProblem } from '../../common/errors.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { CatalogTable } from '../introspection/catalog-table.js';

/** Findings about the tables in the database. */
export interface SchemaFindings {
  /** Problems that keep the tables from being synced. */
  readonly problems: readonly SynchroProblem[];
  /** Settings that work in another way than the host may expect. */
  readonly warnings: readonly SynchroProblem[];
}

/** A synced table and its catalog entry; null where there is no such relation. */
export interface TableCatalog {
  readonly table: SyncTable;
  readonly catalog: CatalogTable | null;
}

/** @param option the option, or the database column */
export function schemaProblem(
  table: SyncTable,
  option: string,
  message: string,
  fix: string,
  code: SynchroErrorCode = 'schema_unsupported',
): SynchroProblem {
  return { code, entity: table.entity, option, message, fix };
}

/** Whether clients may push into a table at all. */
export function isPushable(table: SyncTable): boolean {
  return table.pushPolicy !== 'disabled';
}

/** The columns that devices can't be without: the key, and the times that the table has. */
export function requiredColumns({
  idColumn,
  updatedAtColumn,
  deletedAtColumn,
}: SyncTable): readonly string[] {
  return [idColumn, updatedAtColumn, deletedAtColumn].filter((name) => name !== null);
}

/** One column set for contract, pull, snapshot, conflicts and push alike (hazard W-SCH-4). */
export function isSynced(table: SyncTable, column: string): boolean {
  if (requiredColumns(table).includes(column)) return true;
  return table.syncColumns === null
    ? !table.hiddenColumns.includes(column)
    : table.syncColumns.includes(column);
}
