import type { SyncTable } from '../registry/sync-table.js';
import { timeNames } from '../registry/time-names.js';
import type { ContractColumn, WireColumn } from './schema-contract.js';

/** The times that devices have a column for, and the table has not: what `ADD COLUMN … timestamptz` would make of them. */
export function virtualTimes(table: SyncTable, columns: readonly ContractColumn[]): readonly WireColumn[] {
  const { updatedAt, deletedAt } = timeNames(table);
  return [updatedAt, deletedAt]
    .filter((name) => !columns.some((column) => column.name === name))
    .map((name) => ({
      name,
      dbType: 'timestamp with time zone',
      logicalType: 'datetime',
      nullable: true,
      defaultSql: null,
      defaultKind: 'none',
      sqliteDefaultSql: null,
      isPrimaryKey: false,
    }));
}
