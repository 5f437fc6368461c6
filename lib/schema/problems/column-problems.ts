import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import { memberBucket } from '../../registry/buckets/members.js';
import { columnCaseProblems } from '../../registry/name-problems.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { timeNames } from '../../registry/time-names.js';
import type { CatalogColumn, CatalogTable } from '../introspection/catalog-table.js';
import { logicalTypeOf } from '../logical-type.js';
import { isPushable, isSynced, requiredColumns, schemaProblem } from './schema-problem.js';

/** Finds problems of a table's columns, each alone and in combination. */
export function columnProblems(table: SyncTable, catalog: CatalogTable): readonly SynchroProblem[] {
  const synced = catalog.columns.filter(({ name }) => isSynced(table, name));
  return [
    ...synced
      .filter(({ type, elementType }) => logicalTypeOf(type, elementType) === null)
      .map((column) => unsupported(table, column)),
    ...columnCaseProblems(table, [
      ...new Set([...synced.map(({ name }) => name), ...Object.values(timeNames(table))]),
    ]),
    ...catalog.columns.filter(({ generated }) => generated).flatMap((column) => deciding(table, column)),
    ...unfillable(table, catalog),
  ];
}

function unsupported(table: SyncTable, { name, dbType }: CatalogColumn): SynchroProblem {
  return schemaProblem(
    table,
    name,
    `its type ${dbType} can't be synced`,
    requiredColumns(table).includes(name)
      ? `give ${table.sql}.${quoteIdentifier(name)} another type: key and timestamps can't be left out`
      : `name the columns to sync in @SyncTable({ syncColumns: [...] }), leaving ${name} out`,
  );
}

/** Generated values are not in the write-ahead log, so that they can't say whose a row is, or whether it is deleted. */
function deciding(table: SyncTable, { name }: CatalogColumn): readonly SynchroProblem[] {
  const roles = {
    idColumn: table.idColumn,
    ownerColumn: table.ownerColumn,
    parentFkColumn: table.parentFkColumn,
    bucketByColumn: table.bucketByColumn === table.ownerColumn ? null : table.bucketByColumn,
    members: memberBucket(table)?.column ?? null,
    updatedAtColumn: table.updatedAtColumn,
    deletedAtColumn: table.deletedAtColumn,
  };
  return Object.entries(roles)
    .filter(([, column]) => column === name)
    .map(([option]) =>
      schemaProblem(
        table,
        option,
        `${name} is a generated column, whose values are not in the write-ahead log`,
        `name an ordinary column, e.g. one that a trigger fills`,
      ),
    );
}

/**
 * Columns that must have a value on a create, but that no device may send and the server does not fill. A trigger may
 * fill them, so a table that has one is believed.
 */
function unfillable(
  table: SyncTable,
  { columns, hasInsertTrigger }: CatalogTable,
): readonly SynchroProblem[] {
  if (!isPushable(table) || hasInsertTrigger) return [];
  const stamped = [
    table.idColumn,
    table.ownerColumn,
    table.parentFkColumn,
    table.updatedAtColumn,
    table.versionColumn,
  ];
  return columns
    .filter(
      ({ name, notNull, defaultSql, generated, identity }) =>
        notNull &&
        defaultSql === null &&
        !generated &&
        identity === null &&
        !stamped.includes(name) &&
        (!isSynced(table, name) || table.protectedColumns.has(name)),
    )
    .map(({ name }) =>
      schemaProblem(
        table,
        name,
        `a new row needs a value here, but devices can't send one (it is ${isSynced(table, name) ? 'protected' : 'not synced'}), and there is no default`,
        `ALTER TABLE ${table.sql} ALTER COLUMN ${quoteIdentifier(name)} SET DEFAULT …, or DROP NOT NULL`,
      ),
    );
}
