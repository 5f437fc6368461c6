import type { SyncTable } from './sync-table.js';

/** The names of a table's times where the entity doesn't say which columns they are. */
export const UPDATED_AT = 'updated_at';
export const DELETED_AT = 'deleted_at';

/**
 * The names of a table's times as devices have them. Their databases have both columns in every table, whether or not
 * the server's table has them.
 */
export function timeNames({
  updatedAtColumn,
  deletedAtColumn,
}: Pick<SyncTable, 'updatedAtColumn' | 'deletedAtColumn'>): {
  readonly updatedAt: string;
  readonly deletedAt: string;
} {
  return { updatedAt: updatedAtColumn ?? UPDATED_AT, deletedAt: deletedAtColumn ?? DELETED_AT };
}
