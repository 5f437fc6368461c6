import { quoteIdentifier } from '../../../common/identifiers.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import { ownedSql, parentOwnedSql } from '../../../store/host-rows/ownership-sql.js';
import { mayHideRows } from '../../../store/host-rows/row-exists.js';
import type { SqlRunner } from '../../../database/session.js';
import type { Write } from './judge.js';
import { idAmongSql } from '../values/record-id.js';

/**
 * Of a write that a statement has passed over: whether that is a matter of rights. The row, or the parent of a new one, is
 * not the user's any more, as a validator of the host's has given it away, or a policy may hide it. Else it was a trigger
 * or a rule.
 */
export async function isForbidden(
  host: SqlRunner,
  registry: SyncRegistry,
  { item, kind, granted }: Write,
  userId: string,
): Promise<boolean> {
  const { table, primaryKey } = item.table;
  if (granted) return mayHideRows(host, table);
  // The rule has refused what the row was to become.
  if ((table.members !== null || table.writeFunction !== null) && kind !== 'delete') return true;
  if (kind !== 'insert') {
    const key = `t.${quoteIdentifier(primaryKey.name)}`;
    const rows: unknown[] = await host.query(
      `SELECT FROM ${table.sql} AS t
        WHERE ${idAmongSql(primaryKey, key, '$1')} AND ${ownedSql(registry, table, 't', '$2::text')}`,
      [[item.id], userId],
    );
    return rows.length === 0 || mayHideRows(host, table);
  }
  if (table.parent === null || item.parentId === null) return false;
  const type = item.table.columns.find(({ name }) => name === table.parentFkColumn)?.dbType ?? 'text';
  const rows: { owned: boolean | null }[] = await host.query(
    `SELECT ${parentOwnedSql(registry, table, `$1::text::${type}`, '$2::text')} AS owned`,
    [item.parentId, userId],
  );
  return rows[0]?.owned !== true;
}
