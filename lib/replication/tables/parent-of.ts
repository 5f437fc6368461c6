import type { SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';

export interface RecordName {
  readonly table: string;
  readonly id: string;
}

/** The record that a row is a child of; null when it names none. */
export function parentOf(table: SyncTable, row: ResolveRow): RecordName | null {
  if (table.parent === null || table.parentFkColumn === null) return null;
  const id = row.data[table.parentFkColumn];
  return id === null || id === undefined ? null : { table: table.parent, id };
}
