import type { SyncRegistry } from '../../../registry/sync-registry.js';
import type { SqlStatement } from '../../../database/pipeline.js';
import { columnJson } from '../values/client-values.js';
import { isUnchanged } from '../unchanged.js';
import type { Write } from '../writing/judge.js';
import type { WriteGroup } from '../writing/write-groups.js';
import { type GroupShape, keptName, type WriteForm } from './group-values.js';
import { deleteSql, insertSql, updateSql } from './write-sql.js';
import { parseRow } from '../values/writable-columns.js';

export interface GroupStatement {
  readonly group: WriteGroup;
  readonly form: WriteForm;
  /** Those of the group that it writes. */
  readonly records: readonly Write[];
}

/** The statement that writes records of a group; it may be none of them. */
export function groupStatement(
  registry: SyncRegistry,
  userId: string,
  { group: [{ item, kind, columns, granted }], form, records: writes }: GroupStatement,
): SqlStatement {
  const shape: GroupShape = { contract: item.table, columns, form, granted };
  const records = `[${writes.map(recordText).join(',')}]`;
  switch (kind) {
    case 'insert':
      return insertSql(registry, shape, records, userId);
    case 'delete':
      return deleteSql(registry, shape, records, userId);
    default:
      return updateSql(registry, shape, records, userId, kind === 'undelete');
  }
}

/** A record as the object that {@link recordsSql} reads. */
export function recordText({ item, columns, row }: Write): string {
  const stored = row && parseRow(row);
  const kept: number[] = [];
  const members = columns.map((column, index) => {
    const sent = item.data?.get(column.name);
    const isKept = stored !== undefined && isUnchanged(column, sent, stored[column.name]);
    if (isKept) kept.push(index);
    const value = isKept ? 'null' : columnJson(column, sent, stored?.[column.name]);
    return `${JSON.stringify(column.name)}:${value}`;
  });
  const key = `${JSON.stringify(item.table.primaryKey.name)}:${JSON.stringify(row?.id ?? item.id)}`;
  return `{${[key, ...members, `${JSON.stringify(keptName(item.table))}:${JSON.stringify(kept)}`].join(',')}}`;
}
