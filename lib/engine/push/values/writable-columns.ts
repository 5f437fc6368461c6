import type { ContractColumn, ContractTable } from '../../../schema/schema-contract.js';
import type { StoredRow } from '../push-change.js';
import { isJsonObject, type JsonObject, parseJson } from './json.js';
import { sameValue } from './same-value.js';

type ClientData = ReadonlyMap<string, unknown>;

/**
 * The columns of a create that the client's values go to: what it sent, less what is protected or generated. The
 * parent's key is accepted, this once; key and owner are forced, not taken (W-PUSH-20).
 */
export function createColumns(contract: ContractTable, data: ClientData): readonly ContractColumn[] {
  const { protectedColumns, parentFkColumn, ownerColumn } = contract.table;
  return contract.columns.filter(
    (column) =>
      isWritten(column, data) &&
      column.name !== ownerColumn &&
      (!protectedColumns.has(column.name) || column.name === parentFkColumn),
  );
}

/** The columns of an update that the client's values go to. */
export function updateColumns(contract: ContractTable, data: ClientData): readonly ContractColumn[] {
  return contract.columns.filter(
    (column) => isWritten(column, data) && !contract.table.protectedColumns.has(column.name),
  );
}

/** A null where the database has a default and refuses null means that the client has nothing to say (W-DATA-8). */
function isWritten(column: ContractColumn, data: ClientData): boolean {
  if (column.isPrimaryKey || column.generated || !data.has(column.name)) return false;
  return !column.nullMeansDefault || (data.get(column.name) ?? null) !== null;
}

/**
 * The columns in which the row differs from the client's values, as far as their spelling shows. None means the retry
 * of a change whose answer was lost (W-PUSH-11, 12). Times that the server stamps don't count, nor do values that it
 * computes or fills in.
 */
export function contentDifferences(
  contract: ContractTable,
  data: ClientData,
  row: StoredRow,
): readonly ContractColumn[] {
  return differences(contract, data, row).filter(
    (column) => isWritten(column, data) && !isServerStamp(contract, column),
  );
}

/**
 * Whether the device would hold something else than the server if it took the change for applied as sent: a moved
 * parent key or owner was dropped, a default or a trigger filled something in, the server computed a column
 * (W-PUSH-13). The server's own stamps don't count: a device keeps its own `created_at`, as it skips the echo of its
 * create, and a repair would overwrite what was typed since.
 */
export function needsRepair(contract: ContractTable, data: ClientData, row: StoredRow): boolean {
  // A label that was renamed has another text on the device.
  const asSent = contract.columns.some(({ formerLabels }) => formerLabels)
    ? { ...contract, columns: contract.columns.map((column) => ({ ...column, formerLabels: undefined })) }
    : contract;
  return (
    differences(asSent, data, row).some((column) => !isServerStamp(contract, column)) ||
    contract.columns.some((column) => isRespelledUuid(column, data, row))
  );
}

/** Devices find rows by the text of an id: a child would not find its parent, whose id is the server's text. */
function isRespelledUuid(
  { name, baseType, isPrimaryKey }: ContractColumn,
  data: ClientData,
  row: StoredRow,
): boolean {
  if (baseType !== 'uuid' || isPrimaryKey || !data.has(name)) return false;
  return (data.get(name) ?? null) !== (parseRow(row)[name] ?? null);
}

function differences(contract: ContractTable, data: ClientData, row: StoredRow): readonly ContractColumn[] {
  const stored = parseRow(row);
  const { updatedAtColumn, deletedAtColumn, versionColumn } = contract.table;
  const ours: readonly (string | null)[] = [updatedAtColumn, deletedAtColumn, versionColumn];
  return contract.columns.filter(
    (column) =>
      data.has(column.name) &&
      !column.isPrimaryKey &&
      !ours.includes(column.name) &&
      !sameValue(column, data.get(column.name), stored[column.name]),
  );
}

function isServerStamp({ table }: ContractTable, { name, logicalType }: ContractColumn): boolean {
  return table.protectedColumns.has(name) && ['datetime', 'date', 'time'].includes(logicalType);
}

/** The wire's `data` with exact numbers; each row is parsed once. */
export function parseRow(row: Pick<StoredRow, 'data'>): JsonObject {
  const known = PARSED.get(row);
  if (known) return known;
  const data = parseJson(row.data);
  const parsed = isJsonObject(data) ? data : {};
  PARSED.set(row, parsed);
  return parsed;
}

const PARSED = new WeakMap<Pick<StoredRow, 'data'>, JsonObject>();
