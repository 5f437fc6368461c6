import { quoteIdentifier } from '../../common/identifiers.js';
import { namesBucket } from '../../registry/buckets/named-buckets.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { ownBucketSql } from './default-bucket-sql.js';

/**
 * A `text[]` expression: the buckets that the default rule gives a row by values which its writer, or an ancestor's,
 * may have chosen (see `namesBucket`).
 *
 * @param alias the row's alias in the statement, unquoted
 * @returns null when the table's rows have no such buckets
 */
export function namedBucketsSql(registry: SyncRegistry, table: SyncTable, alias: string): string | null {
  if (table.writeBuckets === 'any') return null;
  const row = quoteIdentifier(alias);
  const lists: string[] = [];
  if (namesBucket(registry.all(), table)) {
    const own = ownBucketSql(table, (column) => `${row}.${quoteIdentifier(column)}::text`);
    if (own !== null) lists.push(`array_remove(ARRAY[${own}], NULL)`);
  }
  if (table.parent !== null && table.parentFkColumn !== null) {
    const parent = registry.get(table.parent);
    const parentAlias = `named_parent_${parent.depth}`;
    const inherited = namedBucketsSql(registry, parent, parentAlias);
    const key = `${quoteIdentifier(parentAlias)}.${quoteIdentifier(parent.idColumn)}`;
    if (inherited !== null)
      lists.push(
        `coalesce((SELECT ${inherited} FROM ${parent.sql} AS ${quoteIdentifier(parentAlias)}
          WHERE ${key} = ${row}.${quoteIdentifier(table.parentFkColumn)}), '{}')`,
      );
  }
  return lists.length === 0 ? null : `(${lists.join(' || ')})`;
}
