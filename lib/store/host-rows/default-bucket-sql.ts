import { canonicalIdSql, CLIENT_BUCKETS, GLOBAL_BUCKET, USER_BUCKETS } from '../../common/canonical-id.js';
import { quoteIdentifier, quoteLiteral } from '../../common/identifiers.js';
import { memberBucket } from '../../registry/buckets/members.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';

/**
 * A boolean SQL expression: does the default bucket rule put this row, as it is now, into one of some buckets? It
 * withholds a row that has moved on while its edges have not (interleavings 9). It says the same as
 * `JoinResolver` and the inheritance from the parent, and so only holds where no other rule is at work (see
 * `isSeenByDefaultRule`).
 *
 * @param alias the row's alias in the statement, unquoted
 * @param buckets a `text[]` expression
 */
export function inDefaultBucketsSql(
  registry: SyncRegistry,
  table: SyncTable,
  alias: string,
  buckets: string,
): string {
  const row = quoteIdentifier(alias);
  const own = ownBucketsSql(table, (column) => `${row}.${quoteIdentifier(column)}::text`);
  const rules = own.length === 0 ? ['false'] : own.map((bucket) => `${bucket} = ANY(${buckets})`);
  if (table.parent !== null && table.parentFkColumn !== null) {
    const parent = registry.get(table.parent);
    const parentAlias = `bucket_parent_${parent.depth}`;
    const key = `${quoteIdentifier(parentAlias)}.${quoteIdentifier(parent.idColumn)}`;
    const inherits = inDefaultBucketsSql(registry, parent, parentAlias, buckets);
    rules.push(
      `EXISTS (SELECT FROM ${parent.sql} AS ${quoteIdentifier(parentAlias)}
         WHERE ${key} = ${row}.${quoteIdentifier(table.parentFkColumn)} AND ${inherits})`,
    );
  }
  return `(${rules.join(' OR ')})`;
}

/**
 * Text expressions: the buckets into which the default bucket rule puts a row, except inherited ones, as `JoinResolver`
 * names them; SQL's null for none.
 * @param text the text of one of the row's columns, as an expression
 */
export function ownBucketsSql(table: SyncTable, text: (column: string) => string): readonly string[] {
  const members = memberBucket(table);
  const own = ownBucketSql(table, text);
  return [
    ...(own === null ? [] : [own]),
    ...(members === null ? [] : [namedBucketSql(members.prefix, text(members.column))]),
  ];
}

function namedBucketSql(prefix: string, value: string): string {
  return `(CASE WHEN ${value} <> '' THEN ${quoteLiteral(prefix)} || ${canonicalIdSql(value)} END)`;
}

/** The same without the bucket of members beside an owner; null when no row of the table has one. */
export function ownBucketSql(table: SyncTable, text: (column: string) => string): string | null {
  const column = table.bucketByColumn ?? table.ownerColumn;
  const global = quoteLiteral(GLOBAL_BUCKET);
  if (column === null) return table.parent === null ? global : null;
  const value = text(column);
  const prefix = table.bucketPrefix ?? USER_BUCKETS;
  const named = `${quoteLiteral(prefix)} || ${canonicalIdSql(value)}`;
  // The rule fails for such a row: it stays out of that bucket.
  const reserved = CLIENT_BUCKETS.startsWith(prefix)
    ? `WHEN starts_with(${named}, ${quoteLiteral(CLIENT_BUCKETS)}) THEN NULL `
    : '';
  return `(CASE ${reserved}WHEN ${value} <> '' THEN ${named}
    ELSE ${table.globalWhenBucketNull ? global : 'NULL'} END)`;
}

/** The columns of a row that {@link inDefaultBucketsSql} reads. */
export function defaultBucketColumns(table: SyncTable): readonly string[] {
  const { bucketByColumn, ownerColumn, parentFkColumn } = table;
  return [bucketByColumn ?? ownerColumn, memberBucket(table)?.column ?? null, parentFkColumn].filter(
    (column) => column !== null,
  );
}
