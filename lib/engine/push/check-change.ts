import { atOnce, inTurns, type Pieces } from '../../common/pieces.js';
import { formatMicros, parseTimestamp } from '../../common/timestamp.js';
import type { ContractTable, SchemaContract } from '../../schema/schema-contract.js';
import { isJsonObject, jsonText } from './values/json.js';
import type { PushChange, PushItem, PushOperation, PushResult } from './push-change.js';
import { lengthProblem } from './values/length-problem.js';
import { numberToken } from './values/numbers.js';
import { recordId, recordKey } from './values/record-id.js';
import { columnOutOfBounds, type ValueBounds } from './values/value-bounds.js';
import { invalidData, refOf, retryable, terminal } from './verdicts.js';

/** The scope of the checks. */
export interface CheckScope {
  readonly contract: SchemaContract;
  /** The database's time, in microseconds. */
  readonly now: bigint;
  /** The latest time that a client may claim, in microseconds (W-PUSH-17). */
  readonly latest: bigint;
  readonly bounds: ValueBounds;
}

type Checked = PushItem | PushResult;

/** {@link checkChange} of each; as documents of megabytes are gone through, others are served between two of them. */
export function checkChanges(changes: readonly PushChange[], scope: CheckScope): Promise<readonly Checked[]> {
  return inTurns(checkEach(changes, scope));
}

function* checkEach(changes: readonly PushChange[], scope: CheckScope): Pieces<readonly Checked[]> {
  const checked: Checked[] = [];
  for (const [index, change] of changes.entries()) {
    checked.push(yield* checking(change, index, scope));
    yield;
  }
  return checked;
}

/** The item of a change, or the verdict that needs no query. */
export function checkChange(change: PushChange, index: number, scope: CheckScope): Checked {
  return atOnce(checking(change, index, scope));
}

function* checking(change: PushChange, index: number, scope: CheckScope): Pieces<Checked> {
  const table =
    typeof change.table_name === 'string' ? scope.contract.tables.get(change.table_name) : undefined;
  const ref = refOf(change, numberToken(change.id));
  if (!table) return terminal(ref, 'table_not_registered', 'table not registered for sync');
  if (table.table.pushPolicy === 'disabled') return terminal(ref, 'table_read_only', 'table is read-only');
  if (scope.contract.closed.has(table.table.name))
    return retryable(ref, 'internal_error', `${table.table.name} can't be written at the moment`);
  const { operation } = change;
  if (!isOperation(operation)) {
    return terminal(ref, 'invalid_operation', `unknown operation: ${ref.operation.slice(0, SHOWN)}`);
  }
  const id = recordId(table.primaryKey, change.id);
  const sent = operation === 'delete' ? null : yield* sentColumns(table, change.data, scope.bounds);
  const [data, unfitColumn] = typeof sent === 'string' ? [null, sent] : [sent, null];
  if (operation === 'create' && (id === null || data === null)) {
    return terminal(ref, ...invalidData(unfitColumn ?? (id === null ? table.primaryKey.name : null)));
  }
  const tooLong = id === null ? null : lengthProblem(table.table, id, operation === 'create' ? data : null);
  if (tooLong !== null) return terminal(ref, 'invalid_data', tooLong);
  if (id === null) return terminal(ref, 'record_not_found', NOT_FOUND[operation]);
  return {
    index,
    change,
    ref,
    table,
    id,
    key: recordKey(table, id),
    operation,
    data,
    unfitColumn,
    dataText: () => (data === null ? 'null' : jsonText(change.data)),
    parentId: operation === 'create' ? parentId(table, data, scope.contract) : null,
    clientMicros: clientMicros(change.client_updated_at, scope),
    base: baseVersion(change.base_updated_at),
  };
}

/** Of what a device calls its operation. */
const SHOWN = 64;

/** A missing record's messages. */
export const NOT_FOUND: Readonly<Record<PushOperation, string>> = {
  create: 'record not found or not accessible',
  update: 'record not found',
  delete: 'record not found or not accessible',
};

function isOperation(value: unknown): value is PushOperation {
  return value === 'create' || value === 'update' || value === 'delete';
}

/**
 * Only the contract's columns: what clients can't see they can't write, and unknown keys are dropped (W-PUSH-20).
 * @returns null for what is no data, and the name of the first column with a value that can't be kept
 */
function* sentColumns(
  table: ContractTable,
  data: unknown,
  bounds: ValueBounds,
): Pieces<ReadonlyMap<string, unknown> | string | null> {
  if (!isJsonObject(data)) return null;
  const sent = table.columns
    .filter(({ name }) => Object.hasOwn(data, name))
    .map((column) => [column, data[column.name]] as const);
  const unfit = yield* columnOutOfBounds(sent, bounds);
  return unfit ?? new Map(sent.map(([{ name }, value]) => [name, value]));
}

function parentId(
  { table }: ContractTable,
  data: ReadonlyMap<string, unknown> | null,
  contract: SchemaContract,
): string | null {
  if (data === null || table.parent === null || table.parentFkColumn === null) return null;
  const parent = contract.tables.get(table.parent);
  return parent ? recordId(parent.primaryKey, data.get(table.parentFkColumn) ?? null) : null;
}

/** Missing loses against any row, as in the reference; unreadable means now (W-PUSH-16). */
function clientMicros(value: unknown, { now, latest }: CheckScope): bigint {
  if (value === null || value === undefined) return YEAR_1;
  const micros = typeof value === 'string' ? parseTimestamp(value)?.micros : undefined;
  if (micros === undefined) return now;
  return micros > latest ? latest : micros < YEAR_1 ? YEAR_1 : micros;
}

/** Unreadable means absent (W-PUSH-16). */
function baseVersion(value: unknown): string | null {
  return typeof value === 'string' && parseTimestamp(value) !== null ? value : null;
}

const YEAR_1 = -62_135_596_800_000_000n;

/** The form in which a conflict has a client's time. */
export function clientTime(item: PushItem): string {
  return formatMicros(item.clientMicros);
}
