import type { SynchroProblem } from '../common/errors.js';
import type { SyncTable } from '../registry/sync-table.js';
import type { FormerLabels } from '../store/enum-labels.js';
import { portableDefault } from './defaults/default-portability.js';
import type { CatalogColumn } from './introspection/catalog-table.js';
import { identityProblems } from './problems/identity-problems.js';
import { logicalTypeOf } from './logical-type.js';
import { virtualTimes } from './virtual-times.js';
import type { ContractColumn, ContractTable, LogicalType } from './schema-contract.js';
import { hasServerKeys, isFilledBySequence, serverKeyWarnings } from './problems/key-problems.js';
import { keyTypeProblems, type SourceCatalogs } from './problems/key-type-problems.js';
import { isPushable, isSynced, type SchemaFindings, type TableCatalog } from './problems/schema-problem.js';
import { relaxedWarning, secretWarnings, timestampWarnings } from './problems/schema-warnings.js';
import { tableProblems } from './problems/table-problems.js';
import { unmappedTimeProblems } from './problems/time-problems.js';
import { generatedProblems, ruleProblems } from './problems/write-problems.js';

/** The contract of all tables, and what was found on the way. With problems it must not be used. */
export interface BuiltContract extends SchemaFindings {
  readonly tables: readonly ContractTable[];
  /** Further problems, with which tables can be read but not written, by table. */
  readonly closing: ReadonlyMap<SyncTable, readonly SynchroProblem[]>;
  /** Further problems, which pushes can live with that meet them later: they keep the app from starting. */
  readonly atStart: readonly SynchroProblem[];
}

/**
 * Builds the contract of all tables from the catalogs.
 *
 * A column that was added to a table which devices have already reaches them by `ALTER TABLE … ADD COLUMN`. SQLite
 * refuses that for NOT NULL without a constant default, and for a default that isn't constant; the device could not
 * start any more. Such columns are advertised as nullable and without default (hazard W-SCH-7). All others are as the
 * reference has them, so that a deployment that changes servers keeps its hash.
 *
 * @param isLate whether a column was added after the table
 * @param labels renamed labels, by the OID of an enum
 */
export function buildContract(
  entries: readonly TableCatalog[],
  sources: SourceCatalogs,
  isLate: (table: string, column: string) => boolean,
  labels: RenamedLabels = new Map(),
): BuiltContract {
  const problems: SynchroProblem[] = [];
  const warnings: SynchroProblem[] = [];
  const tables: ContractTable[] = [];
  const closing = new Map<SyncTable, readonly SynchroProblem[]>();
  const atStart: SynchroProblem[] = [];
  for (const { table, catalog } of entries) {
    problems.push(...tableProblems(table, catalog));
    if (catalog === null) continue;
    atStart.push(...ruleProblems(table, catalog), ...unmappedTimeProblems(table, catalog));
    const closed = [...identityProblems(table, catalog), ...generatedProblems(table, catalog)];
    if (closed.length > 0) closing.set(table, closed);
    warnings.push(
      ...secretWarnings(table, catalog.columns),
      ...timestampWarnings(table, catalog.columns),
      ...serverKeyWarnings(table, catalog.columns),
    );
    const columns = catalog.columns
      .filter(({ name }) => isSynced(table, name))
      .flatMap((column) => {
        const logicalType = logicalTypeOf(column.type, column.elementType);
        if (logicalType === null) return [];
        const announced = toContractColumn(table, column, logicalType, labels);
        if (!isLate(table.name, column.name) || canBeAdded(announced)) return [announced];
        if (column.notNull) warnings.push(relaxedWarning(table, column));
        return [relaxed(announced, column)];
      });
    const primaryKey = columns.find(({ name }) => name === table.idColumn);
    const virtualColumns = virtualTimes(table, columns);
    if (primaryKey)
      tables.push({
        table,
        oid: catalog.oid,
        columns,
        virtualColumns,
        primaryKey,
        hasServerKeys: hasServerKeys(table, catalog.columns),
      });
  }
  problems.push(...keyTypeProblems(entries, sources));
  return { tables, problems, warnings, closing, atStart };
}

/** By the OID of an enum. */
type RenamedLabels = ReadonlyMap<number, FormerLabels['labels']>;

function formerLabelsOf(
  { type, elementType }: CatalogColumn,
  renamed: RenamedLabels,
): FormerLabels | undefined {
  const { oid, kind } = elementType ?? type;
  const own = renamed.get(oid);
  if (own) return { labels: own, areValues: true };
  if (renamed.size === 0 || !['c', 'd', 'r', 'm'].includes(kind)) return undefined;
  return { labels: new Map([...renamed.values()].flatMap((labels) => [...labels])), areValues: false };
}

/** Whether SQLite takes the column in `ALTER TABLE … ADD COLUMN`. */
function canBeAdded({
  nullable,
  sqliteDefaultSql,
}: Pick<ContractColumn, 'nullable' | 'sqliteDefaultSql'>): boolean {
  if (sqliteDefaultSql === null || sqliteDefaultSql === 'NULL') return nullable;
  return !sqliteDefaultSql.startsWith('CURRENT_');
}

/** The server still refuses null: from a device it means that there is nothing to say. */
function relaxed(announced: ContractColumn, column: CatalogColumn): ContractColumn {
  return {
    ...announced,
    nullable: true,
    nullMeansDefault: column.notNull,
    defaultKind: column.defaultSql === null ? 'none' : 'server_only',
    sqliteDefaultSql: null,
  };
}

function toContractColumn(
  table: SyncTable,
  column: CatalogColumn,
  logicalType: LogicalType,
  labels: RenamedLabels,
): ContractColumn {
  // A value of the device's choice would be taken when the sequence comes to it.
  const isCounted = column.name !== table.idColumn && column.isUnique && isFilledBySequence(column);
  const generated = column.generated || column.identity === 'always' || isCounted;
  const { kind, sqliteDefaultSql } = portableDefault(column.defaultSql, {
    logicalType,
    isArray: column.type.isArray,
    delimiter: column.type.delimiter,
    elementLogicalType: column.elementType && elementTypeOf(column),
  });
  const filledByServer = generated || column.identity !== null || kind === 'server_only';
  return {
    name: column.name,
    dbType: column.dbType,
    baseSqlType: column.baseSqlType,
    sqlType: column.sqlType,
    logicalType,
    baseType: column.type.name,
    isArray: column.type.isArray,
    nullable: !column.notNull || column.mayHoldNull || (filledByServer && clientsMayLeaveOut(table, column)),
    formerLabels: formerLabelsOf(column, labels),
    nullMeansDefault: column.notNull && (column.defaultSql !== null || column.identity !== null),
    defaultSql: column.defaultSql,
    defaultKind: kind,
    sqliteDefaultSql,
    isPrimaryKey: column.name === table.idColumn,
    generated,
  };
}

/** The reference fails where such a column is neither key nor protected, and advertises the others as they are. */
function clientsMayLeaveOut(table: SyncTable, column: CatalogColumn): boolean {
  if (!isPushable(table) || column.name === table.idColumn) return false;
  return column.generated || !table.protectedColumns.has(column.name) || column.name === table.versionColumn;
}

/** A domain's values may be anything: only an empty array of them is translated. */
function elementTypeOf({ elementType }: CatalogColumn): LogicalType | null {
  return elementType === null || elementType.kind === 'd' ? null : logicalTypeOf(elementType);
}
