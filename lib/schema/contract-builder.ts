import { quoteIdentifier } from '../common/identifiers.js';
import type { SyncTable } from '../registry/sync-table.js';
import { portableDefault } from './default-portability.js';
import type { CatalogColumn, CatalogTable } from './introspection.js';
import { logicalTypeOf } from './logical-type.js';
import type { ContractColumn, ContractTable, LogicalType } from './schema-contract.js';
import { isPushable, type SchemaProblem, schemaError } from './schema-problem.js';
import { tableProblems } from './table-problems.js';

/**
 * Builds the contract of all tables from what the catalogs say, `catalogs[i]` being `tables[i]`'s.
 *
 * @throws {SynchroError} one that lists everything that is wrong with any table
 */
export function buildContractTables(
  tables: readonly SyncTable[],
  catalogs: readonly (CatalogTable | null)[],
): readonly ContractTable[] {
  const problems: SchemaProblem[] = [];
  const built = tables.map((table, index) => buildTable(table, catalogs[index] ?? null, problems));
  if (problems.length > 0) throw schemaError(problems);
  return built.filter((table) => table !== null);
}

function buildTable(
  table: SyncTable,
  catalog: CatalogTable | null,
  problems: SchemaProblem[],
): ContractTable | null {
  const found = tableProblems(table, catalog);
  problems.push(...found);
  if (catalog === null) return null;
  const columns = catalog.columns
    .filter(({ name }) => isSynced(table, name))
    .flatMap((column) => {
      const logicalType = logicalTypeOf(column.type, column.elementType);
      if (logicalType !== null) return [toContractColumn(table, column, logicalType)];
      problems.push(unsupportedType(table, column));
      return [];
    });
  const primaryKey = columns.find(({ name }) => name === table.idColumn);
  return primaryKey ? { table, oid: catalog.oid, columns, primaryKey } : null;
}

/** One column set for contract, pull, snapshot, conflicts and push alike (hazard W-SCH-4). */
function isSynced(table: SyncTable, column: string): boolean {
  if ([table.idColumn, table.updatedAtColumn, table.deletedAtColumn].includes(column)) return true;
  return table.syncColumns === null
    ? !table.hiddenColumns.includes(column)
    : table.syncColumns.includes(column);
}

function toContractColumn(table: SyncTable, column: CatalogColumn, logicalType: LogicalType): ContractColumn {
  const generated = column.generated || column.identity === 'always';
  const { kind, sqliteDefaultSql } = portableDefault(column.defaultSql, {
    logicalType,
    isArray: column.type.isArray,
    elementLogicalType: column.elementType && elementTypeOf(column),
  });
  const filledByServer = generated || column.identity !== null || kind === 'server_only';
  return {
    name: column.name,
    dbType: column.dbType,
    logicalType,
    baseType: column.type.name,
    isArray: column.type.isArray,
    nullable: !column.notNull || (filledByServer && clientsMayLeaveOut(table, column)),
    nullMeansDefault: column.notNull && (column.defaultSql !== null || column.identity !== null),
    defaultSql: column.defaultSql,
    defaultKind: kind,
    sqliteDefaultSql,
    isPrimaryKey: column.isPrimaryKey,
    generated,
  };
}

/** The reference fails where such a column is neither key nor protected, and tells the others as they are. */
function clientsMayLeaveOut(table: SyncTable, column: CatalogColumn): boolean {
  if (!isPushable(table) || column.isPrimaryKey) return false;
  return column.generated || !table.protectedColumns.has(column.name) || column.name === table.versionColumn;
}

/** A domain's values may be anything: only an empty array of them is translated. */
function elementTypeOf({ elementType }: CatalogColumn): LogicalType | null {
  return elementType === null || elementType.kind === 'd' ? null : logicalTypeOf(elementType);
}

function unsupportedType(table: SyncTable, column: CatalogColumn): SchemaProblem {
  const names = [table.idColumn, table.updatedAtColumn, table.deletedAtColumn];
  return {
    code: 'schema_unsupported',
    message: `column ${column.name} of table ${table.name} has the type ${column.dbType}, which can't be synced`,
    remedy: names.includes(column.name)
      ? `give ${table.sql}.${quoteIdentifier(column.name)} another type: key and timestamps can't be left out`
      : `name the columns to sync in @SyncTable({ syncColumns: [...] }), leaving ${column.name} out`,
  };
}
