import type { SchemaColumn, SchemaTable } from '../wire/messages.js';

/** The form of a column's values in a row; docs/client.md has the table. */
export type ValueKind =
  | 'text'
  | 'number'
  | 'exact'
  | 'boolean'
  | 'json'
  | 'array'
  | 'exact-array'
  | 'bytes'
  | 'time'
  | 'local-time';

/** A synced table, with what the client derives from its contract. */
export interface TableSchema {
  readonly name: string;
  readonly writable: boolean;
  readonly key: string;
  readonly updatedAt: string;
  readonly deletedAt: string;
  readonly parent: { readonly table: string; readonly column: string } | null;
  readonly columns: ReadonlyMap<string, Column>;
}

export interface Column {
  readonly name: string;
  readonly kind: ValueKind;
  readonly nullable: boolean;
  readonly dbType: string;
  /** As SQLite writes it; null where only the server can compute it. */
  readonly defaultSql: string | null;
}

export function tableSchema(table: SchemaTable): TableSchema {
  const { parent_table: parent, parent_fk_col: column } = table;
  return {
    name: table.table_name,
    writable: table.push_policy !== 'disabled',
    key: table.primary_key[0] ?? 'id',
    updatedAt: table.updated_at_column,
    deletedAt: table.deleted_at_column,
    parent: parent === undefined || column === undefined ? null : { table: parent, column },
    columns: new Map(table.columns.map((each) => [each.name, columnOf(each)])),
  };
}

function columnOf(column: SchemaColumn): Column {
  return {
    name: column.name,
    kind: kindOf(column),
    nullable: column.nullable,
    dbType: column.db_type,
    defaultSql: column.default_kind === 'portable' ? (column.sqlite_default_sql ?? null) : null,
  };
}

function kindOf({ db_type: type, logical_type: logical }: SchemaColumn): ValueKind {
  if (type.endsWith('[]')) return EXACT.test(type) ? 'exact-array' : 'array';
  switch (logical) {
    case 'int64':
      return 'exact';
    case 'float':
      return FLOAT.test(type) ? 'number' : 'exact';
    case 'int':
      return 'number';
    case 'boolean':
      return 'boolean';
    case 'json':
      return 'json';
    case 'bytes':
      return 'bytes';
    case 'datetime':
      return type.includes('without time zone') ? 'local-time' : 'time';
    default:
      return 'text';
  }
}

/** The contract names a domain by its own name. It may be over `numeric`, whose digits a number would lose. */
const FLOAT = /^(real|double precision)$/;
const EXACT = /^(bigint|numeric)/;
