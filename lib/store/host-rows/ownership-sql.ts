import { canonicalIdSql, isCanonicalIdSql } from '../../common/canonical-id.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';

/**
 * A boolean SQL expression: may this user write this row (write authority, W-PUSH-4)? It holds without RLS and on
 * a superuser's connection. It is null where the owner is.
 *
 * A table's own owner column decides alone (W-REG-3). A table without one belongs to whom its parent belongs to, up
 * to the first ancestor with an owner column. Soft-deleted ancestors count like live ones.
 *
 * Owners are compared as text in their canonical form (interleavings 26), so that an id which the column's type
 * can't hold is simply not the owner, never an SQL error.
 *
 * @param alias the row's alias in the statement, unquoted
 * @param user a text expression of the canonical user id, e.g. `$2::text`
 */
export function ownedSql(registry: SyncRegistry, table: SyncTable, alias: string, user: string): string {
  return ownerTestSql(registry, table, alias, (owner) => isCanonicalIdSql(`${owner}::text`, user));
}

/** A boolean SQL expression: has this row, or the ancestor that decides who owns it, no owner? */
export function unownedSql(registry: SyncRegistry, table: SyncTable, alias: string): string {
  return ownerTestSql(registry, table, alias, (owner) => `${owner} IS NULL`);
}

/**
 * A text expression: the canonical id of this row's owner, or of the one of the ancestor that decides who owns it; null
 * when there is none.
 */
export function ownerSql(registry: SyncRegistry, table: SyncTable, alias: string): string {
  const row = quoteIdentifier(alias);
  if (table.ownerColumn !== null) return canonicalIdSql(`${row}.${quoteIdentifier(table.ownerColumn)}::text`);
  if (table.parent === null || table.parentFkColumn === null) return 'NULL::text';
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
  return parentTestSql(registry, table, parentKey, (owner) => isCanonicalIdSql(`${owner}::text`, user));
}

/**
 * The parent whose rows decide who owns this table's rows; undefined where an owner column decides, or nothing does.
 */
export function owningParent(registry: SyncRegistry, table: SyncTable): SyncTable | undefined {
  return table.ownerColumn === null && table.parent !== null ? registry.get(table.parent) : undefined;
}

/** Makes a boolean SQL expression of an owner column. */
type OwnerTest = (owner: string) => string;

function ownerTestSql(registry: SyncRegistry, table: SyncTable, alias: string, test: OwnerTest): string {
  const row = quoteIdentifier(alias);
  if (table.ownerColumn !== null) return test(`${row}.${quoteIdentifier(table.ownerColumn)}`);
  if (table.parentFkColumn === null) return 'false';
  return parentTestSql(registry, table, `${row}.${quoteIdentifier(table.parentFkColumn)}`, test);
}

function parentTestSql(registry: SyncRegistry, table: SyncTable, parentKey: string, test: OwnerTest): string {
  if (table.parent === null) return 'false';
  const parent = registry.get(table.parent);
  // Every level has an alias of its own: the depth falls by one with each parent.
  const alias = `ancestor_${parent.depth}`;
  const key = `${quoteIdentifier(alias)}.${quoteIdentifier(parent.idColumn)}`;
  return `EXISTS (SELECT FROM ${parent.sql} AS ${quoteIdentifier(alias)} WHERE ${key} = ${parentKey} AND ${ownerTestSql(registry, parent, alias, test)})`;
}
