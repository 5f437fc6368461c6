import type { Column, TableSchema } from '../records/columns.js';
import type { Row } from '../records/record.js';

/** Kept in each synced table; see {@link Meta.stamp}. */
export const STAMP = '_synchro_stamp';

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function createTableSql(table: TableSchema): string {
  const columns = [...table.columns.values()].map((column) => {
    const key = column.name === table.key ? ' PRIMARY KEY' : '';
    return `${columnSql(column)}${key}`;
  });
  return `CREATE TABLE IF NOT EXISTS ${quoted(table.name)} (${columns.join(', ')}, ${STAMP} INTEGER NOT NULL)`;
}

/** Constrains the key alone: the server's rules may have changed by the time that its rows come. */
export function columnSql(column: Column): string {
  return `${quoted(column.name)} ${sqliteType(column)}`;
}

function sqliteType(column: Column): string {
  if (column.kind === 'boolean' || isInt64(column)) return 'INTEGER';
  if (column.kind !== 'number') return 'TEXT';
  return /^(real|double)/.test(column.dbType) ? 'REAL' : 'INTEGER';
}

/** A driver may read a 64-bit integer as a double: it is read as text. */
export function selectSql(column: Column): string {
  const name = quoted(column.name);
  return isInt64(column) ? `CAST(${name} AS TEXT) AS ${name}` : name;
}

function isInt64({ kind, dbType }: Column): boolean {
  return kind === 'exact' && dbType.startsWith('big');
}

export function toSqlite({ kind }: Column, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (kind === 'boolean') return value === true ? 1 : 0;
  return kind === 'json' || kind === 'array' || kind === 'exact-array' ? JSON.stringify(value) : value;
}

/** Changes the driver's object in place. */
export function fromSqlite(table: TableSchema, stored: Record<string, unknown>): Row {
  for (const { name, kind } of table.columns.values()) {
    const value = stored[name] ?? null;
    if (value === null) stored[name] = null;
    else if (kind === 'boolean') stored[name] = Number(value) === 1;
    else if (kind === 'json' || kind === 'array' || kind === 'exact-array') stored[name] = parsed(value);
  }
  return stored;
}

/** A column that has become a document may hold its former text until the snapshot brings the row. */
function parsed(value: unknown): unknown {
  try {
    return JSON.parse(String(value)) as unknown;
  } catch {
    return value;
  }
}
