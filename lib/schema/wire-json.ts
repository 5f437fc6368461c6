import { createHash } from 'node:crypto';
import type { SyncTable } from '../registry/sync-table.js';
import { timeNames } from '../registry/time-names.js';
import type { ContractTable, WireColumn } from './schema-contract.js';

/**
 * The `tables` array of `GET /sync/schema` (docs/protocol.md#schema): sorted by name, keys in the reference's order,
 * and without those that it omits when empty. The same bytes as Go's `json.Marshal`, because {@link contractHash} is
 * computed over them.
 */
export function schemaTablesJson(tables: Iterable<ContractTable>): string {
  return goJson(sorted(tables).map(schemaTable));
}

/** The `tables` array of `GET /sync/tables` (docs/protocol.md#schema). */
export function metaTablesJson(tables: Iterable<ContractTable>): string {
  return goJson(sorted(tables).map(metaTable));
}

/**
 * Lower-case hex SHA-256 over `{"tables":…}`: the reference's own, so that a deployment that changes servers keeps
 * its hash, and no client has to rebuild.
 */
export function contractHash(tablesJson: string): string {
  return createHash('sha256').update(`{"tables":${tablesJson}}`).digest('hex');
}

/** Undefined members are left out, as Go's `omitempty` leaves out empty ones. */
function schemaTable({ table, columns, virtualColumns, primaryKey }: ContractTable): object {
  return {
    table_name: table.name,
    push_policy: table.pushPolicy,
    parent_table: table.parent ?? undefined,
    parent_fk_col: table.parentFkColumn ?? undefined,
    dependencies: table.dependencies.length === 0 ? undefined : table.dependencies.toSorted(bytewise),
    ...timeKeys(table),
    primary_key: [primaryKey.name],
    ...bucketKeys(table),
    columns: [...columns, ...virtualColumns].map(schemaColumn),
  };
}

function schemaColumn(column: WireColumn): object {
  return {
    name: column.name,
    db_type: column.dbType,
    logical_type: column.logicalType,
    nullable: column.nullable,
    default_sql: column.defaultSql ?? undefined,
    default_kind: column.defaultKind,
    sqlite_default_sql: column.sqliteDefaultSql ?? undefined,
    is_primary_key: column.isPrimaryKey,
  };
}

function metaTable({ table }: ContractTable): object {
  return {
    table_name: table.name,
    push_policy: table.pushPolicy,
    dependencies: table.dependencies.toSorted(bytewise),
    parent_table: table.parent ?? undefined,
    parent_fk_col: table.parentFkColumn ?? undefined,
    ...timeKeys(table),
    ...bucketKeys(table),
  };
}

function timeKeys(table: SyncTable): object {
  const { updatedAt, deletedAt } = timeNames(table);
  return { updated_at_column: updatedAt, deleted_at_column: deletedAt };
}

function bucketKeys(table: SyncTable): object {
  return {
    bucket_by_column: table.bucketByColumn ?? undefined,
    bucket_prefix: table.bucketPrefix === '' ? undefined : (table.bucketPrefix ?? undefined),
    global_when_bucket_null: table.globalWhenBucketNull || undefined,
    allow_global_read: table.allowGlobalRead || undefined,
    bucket_function: table.bucketFunction?.text,
  };
}

function sorted(tables: Iterable<ContractTable>): readonly ContractTable[] {
  return [...tables].toSorted((a, b) => bytewise(a.table.name, b.table.name));
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** Go escapes what could end a script element, and two line separators that old JavaScript trips over. */
function goJson(value: object): string {
  return JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
