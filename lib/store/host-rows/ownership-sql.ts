import { canonicalIdSql, isCanonicalIdSql } from '../../common/canonical-id.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { memberWritesSql } from './members-sql.js';
import { functionWritesSql, rowJsonb } from './write-function-sql.js';

/**
 * A boolean SQL expression: may this user write this row (write authority, W-PUSH-4)? It holds without RLS and on
 * a superuser's connection. It is null where the owner is.
 *
 * A table's own owner column and members decide alone (W-REG-3). A table without them belongs to whom its parent belongs
 * to, up to the first ancestor with one of them. Soft-deleted ancestors count like live ones.
 *
 * Owners are compared as text in their canonical form (interleavings 26), so that an id which the column's type
 * can't hold is simply not the owner, never an SQL error.
 *
 * @param alias the row's alias in the statement, unquoted
 * @param user a text expression of the canonical user id, e.g. `$2::text`
 */
export function ownedSql(registry: SyncRegistry, table: SyncTable, alias: string, user: string): string {
  return rowTestSql(registry, table, alias, writableTest(user));
}

/**
 * A boolean SQL expression: whether this row, or the ancestor that decides its ownership, has no owner. A row that is the
 * members' alone counts as owned.
 */
export function unownedSql(registry: SyncRegistry, table: SyncTable, alias: string): string {
  return rowTestSql(registry, table, alias, ({ ownerColumn, members, writeFunction }, row) => {
    if (ownerColumn !== null && members?.owner !== false)
      return `${row}.${quoteIdentifier(ownerColumn)} IS NULL`;
    return members === null && writeFunction === null ? null : 'false';
  });
}

/** Whether the table itself says who writes its rows, and not its parent. */
export function hasOwnWriteRule({ ownerColumn, members, writeFunction }: SyncTable): boolean {
  return ownerColumn !== null || members !== null || writeFunction !== null;
}

/**
 * A text expression: the canonical id of this row's owner, or of the one of the ancestor that decides who owns it; null
 * when there is none.
 */
export function ownerSql(registry: SyncRegistry, table: SyncTable, alias: string): string {
  const row = quoteIdentifier(alias);
  if (table.ownerColumn !== null) return canonicalIdSql(`${row}.${quoteIdentifier(table.ownerColumn)}::text`);
  if (hasOwnWriteRule(table) || table.parent === null || table.parentFkColumn === null) return 'NULL::text';
  const parent = registry.get(table.parent);
  const parentAlias = `owner_${parent.depth}`;
  const key = `${quoteIdentifier(parentAlias)}.${quoteIdentifier(parent.idColumn)}`;
  return `(SELECT ${ownerSql(registry, parent, parentAlias)} FROM ${parent.sql} AS ${quoteIdentifier(parentAlias)}
    WHERE ${key} = ${row}.${quoteIdentifier(table.parentFkColumn)})`;
}

/**
 * A boolean SQL expression: may this user write under the parent row that has this key? A child can only be created
 * where this holds, even when it has an owner column of its own (W-REG-3).
 *
 * @param parentKey an expression of the foreign key's type; null gives false
 */
export function parentOwnedSql(
  registry: SyncRegistry,
  table: SyncTable,
  parentKey: string,
  user: string,
): string {
  return parentTestSql(registry, table, parentKey, writableTest(user));
}

/**
 * The parent whose rows decide the ownership of this table's rows; undefined where the table does itself, or nothing.
 */
export function owningParent(registry: SyncRegistry, table: SyncTable): SyncTable | undefined {
  return hasOwnWriteRule(table) || table.parent === null ? undefined : registry.get(table.parent);
}

/** Makes a boolean SQL expression of a row, by its alias; null where its table says nothing of itself. */
type RowTest = (table: SyncTable, row: string) => string | null;

function writableTest(user: string): RowTest {
  return (table, row) => {
    const { ownerColumn, members, writeFunction } = table;
    if (writeFunction !== null) {
      const held = rowJsonb(row);
      return functionWritesSql(writeFunction, table, { held, wanted: held }, user);
    }
    const isOwner =
      ownerColumn === null || members?.owner === false
        ? null
        : isCanonicalIdSql(`${row}.${quoteIdentifier(ownerColumn)}::text`, user);
    if (members === null) return isOwner;
    const isMember = memberWritesSql(members, `${row}.${quoteIdentifier(members.column)}`, user);
    return isOwner === null ? isMember : `(${isOwner} OR ${isMember})`;
  };
}

function rowTestSql(registry: SyncRegistry, table: SyncTable, alias: string, test: RowTest): string {
  const row = quoteIdentifier(alias);
  const own = test(table, row);
  if (own !== null) return own;
  if (table.parentFkColumn === null) return 'false';
  return parentTestSql(registry, table, `${row}.${quoteIdentifier(table.parentFkColumn)}`, test);
}

function parentTestSql(registry: SyncRegistry, table: SyncTable, parentKey: string, test: RowTest): string {
  if (table.parent === null) return 'false';
  const parent = registry.get(table.parent);
  // Every level has an alias of its own: the depth falls by one with each parent.
  const alias = `ancestor_${parent.depth}`;
  const key = `${quoteIdentifier(alias)}.${quoteIdentifier(parent.idColumn)}`;
  return `EXISTS (SELECT FROM ${parent.sql} AS ${quoteIdentifier(alias)} WHERE ${key} = ${parentKey} AND ${rowTestSql(registry, parent, alias, test)})`;
}
