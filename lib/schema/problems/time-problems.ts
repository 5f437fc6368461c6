import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { DELETED_AT, UPDATED_AT } from '../../registry/time-names.js';
import type { CatalogColumn, CatalogTable } from '../introspection/catalog-table.js';
import { logicalTypeOf } from '../logical-type.js';
import { updateTriggerSql } from '../update-trigger.js';
import { isPushable, schemaProblem } from './schema-problem.js';

/** Problems of a table's update time and delete time. A table that devices don't write needs neither. */
export function timeProblems(table: SyncTable, columns: readonly CatalogColumn[]): readonly SynchroProblem[] {
  const { updatedAtColumn, deletedAtColumn } = table;
  const wrongTypes = columns
    .filter(({ name }) => [updatedAtColumn, deletedAtColumn].includes(name))
    .filter(({ type }) => logicalTypeOf(type) !== 'datetime')
    .map(({ name, dbType }) =>
      schemaProblem(
        table,
        name,
        `it is no timestamp but ${dbType}`,
        `ALTER TABLE ${table.sql} ALTER COLUMN ${quoteIdentifier(name)} TYPE timestamptz`,
      ),
    );
  if (!isPushable(table)) return wrongTypes;
  if (updatedAtColumn === null) return [...wrongTypes, ...missingUpdateTime(table, columns)];
  const updatedAt = columns.find(({ name }) => name === updatedAtColumn);
  return updatedAt && (!updatedAt.notNull || updatedAt.mayHoldNull)
    ? [...wrongTypes, nullableUpdateTime(table, updatedAtColumn)]
    : wrongTypes;
}

/**
 * Columns that are named like times, and that the entity doesn't have. A table without a delete time loses the rows that
 * are deleted, which nobody wants who has such a column. Asked at the start only: a migration may run before the
 * deployment that maps its column.
 */
export function unmappedTimeProblems(table: SyncTable, { columns }: CatalogTable): readonly SynchroProblem[] {
  const { updatedAtColumn, deletedAtColumn } = table;
  const unmapped = [
    ...(updatedAtColumn === null ? [[UPDATED_AT, '@UpdateDateColumn'] as const] : []),
    ...(deletedAtColumn === null ? [[DELETED_AT, '@DeleteDateColumn'] as const] : []),
  ];
  return unmapped
    .filter(([name]) => columns.some((column) => column.name === name))
    .map(([name, decorator]) =>
      schemaProblem(
        table,
        name,
        `${table.sql} has this column, but its entity has not, so that sync would not know this time`,
        `add it to the entity: ${decorator}({ name: '${name}', type: 'timestamptz' }); or rename the column`,
        'configuration_invalid',
      ),
    );
}

/** Devices drop an edit of a row whose update time they don't know, and skip a row whose time did not grow. */
function missingUpdateTime(table: SyncTable, columns: readonly CatalogColumn[]): readonly SynchroProblem[] {
  // The column is there: see unmappedTimeProblems.
  if (columns.some(({ name }) => name === UPDATED_AT)) return [];
  return [
    schemaProblem(
      table,
      'updatedAtColumn',
      'devices write this table, which takes an update time, and it has none',
      [
        `ALTER TABLE ${table.sql} ADD COLUMN ${quoteIdentifier(UPDATED_AT)} timestamptz NOT NULL DEFAULT now()`,
        `and @UpdateDateColumn({ name: '${UPDATED_AT}', type: 'timestamptz' }) in the entity`,
        `where rows are updated in SQL as well, besides: ${updateTriggerSql(table, UPDATED_AT)}`,
        `a table that devices only read needs none: pushPolicy: 'disabled'`,
      ].join('; '),
    ),
  ];
}

/** Devices drop a delete whose base has no time (docs/protocol.md#push), so a null here would lose edits. */
function nullableUpdateTime(table: SyncTable, name: string): SynchroProblem {
  const column = quoteIdentifier(name);
  return schemaProblem(
    table,
    name,
    'it allows null',
    `ALTER TABLE ${table.sql} ALTER COLUMN ${column} SET DEFAULT now(), ALTER COLUMN ${column} SET NOT NULL (after filling the rows that have none)`,
  );
}
