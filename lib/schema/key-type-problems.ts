import type { SynchroProblem } from '../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../common/identifiers.js';
import type { SyncTable } from '../registry/sync-table.js';
import type { CatalogColumn, CatalogTable } from './introspection.js';
import { schemaProblem, type TableCatalog } from './schema-problem.js';

/** The relations that bucket rules read, beyond the synced tables. */
export type SourceCatalogs = ReadonlyMap<string, CatalogTable | null>;

/**
 * Columns that name another table's rows, but can hold what that table's key can't: a value that is no uuid would
 * stop the consumer at every try. Other guises of the same type (varchar for text, a domain) are fine.
 */
export function keyTypeProblems(
  tables: readonly TableCatalog[],
  sources: SourceCatalogs,
): readonly SynchroProblem[] {
  return tables.flatMap((entry) => [...parentKeyProblems(entry, tables), ...sourceProblems(entry, sources)]);
}

function parentKeyProblems(
  { table, catalog }: TableCatalog,
  tables: readonly TableCatalog[],
): readonly SynchroProblem[] {
  const parent = tables.find((entry) => entry.table.name === table.parent);
  const key = columnOf(parent?.catalog, parent?.table.idColumn);
  const fk = columnOf(catalog, table.parentFkColumn);
  if (!parent || !key || !fk || sameKeys(key, fk)) return [];
  return [
    schemaProblem(
      table,
      'parentFkColumn',
      `${fk.name} is ${fk.dbType}, but the key of ${parent.table.entity} is ${key.dbType}`,
      `ALTER TABLE ${table.sql} ALTER COLUMN ${quoteIdentifier(fk.name)} TYPE ${key.dbType} USING ${quoteIdentifier(fk.name)}::${key.dbType}`,
    ),
  ];
}

function sourceProblems(
  { table, catalog }: TableCatalog,
  sources: SourceCatalogs,
): readonly SynchroProblem[] {
  const key = columnOf(catalog, table.idColumn);
  return table.bucketSources.flatMap(({ schema, relation, fkColumn }) => {
    const sql = quoteRelation(schema, relation);
    const source = sources.get(sql);
    if (!source)
      return [sourceProblem(table, `there is no table ${sql}`, 'run the migration that creates it')];
    const fk = columnOf(source, fkColumn);
    if (!fk) {
      return [sourceProblem(table, `${sql} has no column ${fkColumn}`, 'add it, or name another fkColumn')];
    }
    if (fk.generated) {
      return [
        sourceProblem(
          table,
          `${sql}.${fkColumn} is a generated column, whose values are not in the write-ahead log`,
          'name an ordinary column',
        ),
      ];
    }
    if (!key || sameKeys(key, fk)) return [];
    const column = quoteIdentifier(fkColumn);
    return [
      sourceProblem(
        table,
        `${sql}.${fkColumn} is ${fk.dbType}, but the key that it holds is ${key.dbType}`,
        `ALTER TABLE ${sql} ALTER COLUMN ${column} TYPE ${key.dbType} USING ${column}::${key.dbType}`,
      ),
    ];
  });
}

function sourceProblem(table: SyncTable, message: string, remedy: string): SynchroProblem {
  return schemaProblem(table, 'bucketSources', message, remedy, 'configuration_invalid');
}

function columnOf(
  catalog: CatalogTable | null | undefined,
  name: string | null | undefined,
): CatalogColumn | undefined {
  return catalog?.columns.find((column) => column.name === name);
}

function sameKeys(a: CatalogColumn, b: CatalogColumn): boolean {
  return a.type.oid === b.type.oid || (isText(a) && isText(b));
}

/** text, varchar, char(n), name; citext by its name, as it has no OID of its own. */
function isText({ type }: CatalogColumn): boolean {
  return [25, 1043, 1042, 19].includes(type.oid) || type.name === 'citext';
}
