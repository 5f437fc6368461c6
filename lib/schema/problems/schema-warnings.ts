import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { CatalogColumn } from '../introspection/catalog-table.js';
import { isSynced, schemaProblem } from './schema-problem.js';

/** OID of `timestamp without time zone`. */
const TIMESTAMP = 1114;

/** `timestamp` columns: they say a time of day, and not where. */
export function timestampWarnings(
  table: SyncTable,
  columns: readonly CatalogColumn[],
): readonly SynchroProblem[] {
  return columns
    .filter(({ name, type }) => type.oid === TIMESTAMP && isSynced(table, name))
    .map(({ name, dbType }) => {
      const column = quoteIdentifier(name);
      return schemaProblem(
        table,
        name,
        `${dbType} in ${table.sql} has no zone: sync reads and writes it as UTC, whatever the session's TimeZone is`,
        `make sure that your own code writes UTC there, or: ALTER TABLE ${table.sql} ALTER COLUMN ${column} TYPE timestamptz USING ${column} AT TIME ZONE 'UTC'`,
      );
    });
}

/** Columns that devices could not take as they are: see `contract-builder`. */
export function relaxedWarning(table: SyncTable, { name }: CatalogColumn): SynchroProblem {
  return schemaProblem(
    table,
    name,
    'it came NOT NULL and without a constant default to a table that devices have already, where SQLite can not add it like that: they are told that it may be null',
    `give it a constant default, so that rows on devices have a value: ALTER TABLE ${table.sql} ALTER COLUMN ${quoteIdentifier(name)} SET DEFAULT …`,
  );
}
