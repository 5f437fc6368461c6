import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { CatalogColumn, CatalogTable } from '../introspection/catalog-table.js';
import { identityProblem } from './identity-problems.js';
import { schemaProblem, type TableCatalog } from './schema-problem.js';

/** The relations that bucket rules read, beyond the synced tables. */
export type SourceCatalogs = ReadonlyMap<string, CatalogTable | null>;

/**
 * Columns that name another table's rows, but can hold what that table's key can't: a value that is no uuid would
 * stop the consumer at every try. Types whose values have the same texts are fine: varchar for text or char, bigint for
 * integer, a domain.
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
  if (!parent || !key || !fk) return [];
  if (sameKeys(key, fk)) return collationProblems(table, key, fk, parent.table.entity);
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
    const refused = identityProblem(fk, false);
    if (refused) return [sourceProblem(table, `${sql}.${fkColumn} ${refused.message}`, refused.fix(sql))];
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

function sourceProblem(table: SyncTable, message: string, fix: string): SynchroProblem {
  return schemaProblem(table, 'bucketSources', message, fix, 'configuration_invalid');
}

function columnOf(
  catalog: CatalogTable | null | undefined,
  name: string | null | undefined,
): CatalogColumn | undefined {
  return catalog?.columns.find((column) => column.name === name);
}

/** PostgreSQL can't compare texts of two collations unless one is the default (SQLSTATE 42P22). */
function collationProblems(
  table: SyncTable,
  key: CatalogColumn,
  fk: CatalogColumn,
  parent: string,
): readonly SynchroProblem[] {
  const [wanted, given] = [key.collation, fk.collation];
  if (!wanted || !given || wanted.isDefault || given.isDefault || wanted.sql === given.sql) return [];
  return [
    schemaProblem(
      table,
      'parentFkColumn',
      `${fk.name} has the collation ${given.sql}, but the key of ${parent} has ${wanted.sql}, so that PostgreSQL can't compare them`,
      `ALTER TABLE ${table.sql} ALTER COLUMN ${quoteIdentifier(fk.name)} TYPE ${fk.dbType} COLLATE ${wanted.sql}`,
    ),
  ];
}

function sameKeys({ type: a }: CatalogColumn, { type: b }: CatalogColumn): boolean {
  return a.oid === b.oid || [TEXTS, INTEGERS].some((oids) => oids.includes(a.oid) && oids.includes(b.oid));
}

/** OIDs of text, varchar and char(n). */
const TEXTS: readonly number[] = [25, 1043, 1042];

/** OIDs of smallint, integer and bigint. */
const INTEGERS: readonly number[] = [21, 23, 20];
