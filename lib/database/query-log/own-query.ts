import type { DataSource } from 'typeorm';
import { singleStatement } from '../session.js';

/** Runs one statement of sync's own, where there is no transaction. @returns its rows */
export function ownQuery<Row>(
  dataSource: DataSource,
  sql: string,
  parameters: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return singleStatement<Row[]>(dataSource, (manager) => manager.query(sql, [...parameters]));
}
