import type { Column, TableSchema } from '../records/columns.js';
import { quoted, selectSql, STAMP } from './columns.js';

/** How a row of a table is written. */
export interface Insert {
  readonly sql: string;
  readonly columns: readonly Column[];
}

export function insertOf(table: TableSchema): Insert {
  const columns = [...table.columns.values()];
  const names = columns.map(({ name }) => quoted(name)).join(', ');
  const places = columns.map(() => '?').join(', ');
  const sql = `INSERT OR REPLACE INTO ${quoted(table.name)} (${names}, ${STAMP}) VALUES (${places}, ?)`;
  return { sql, columns };
}

export function selectFrom(table: TableSchema): string {
  const columns = [...table.columns.values()].map(selectSql);
  return `SELECT ${columns.join(', ')}, ${STAMP} FROM ${quoted(table.name)}`;
}
