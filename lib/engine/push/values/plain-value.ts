import { isLosslessNumber, isSafeNumber } from 'lossless-json';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import type { PushItem, StoredRow } from '../push-change.js';
import { columnJson } from './client-values.js';
import { type JsonObject, parseJson } from './json.js';
import { parseRow } from './writable-columns.js';

/** A losslessly parsed value with JavaScript's numbers, where those are exact, and texts for the others. */
export function plainValue(value: unknown): unknown {
  if (isLosslessNumber(value)) return isSafeNumber(value.value) ? Number(value.value) : value.value;
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainValue(member)]));
}

/** A row with such values, by its columns. */
export function plainRow(row: StoredRow): JsonObject {
  return Object.fromEntries(Object.entries(parseRow(row)).map(([name, value]) => [name, plainValue(value)]));
}

/** The values that a change writes into these columns, in the same form. */
export function plainChange(
  columns: readonly ContractColumn[],
  { data }: PushItem,
  row: StoredRow | undefined,
): JsonObject {
  const stored = row ? parseRow(row) : {};
  return Object.fromEntries(
    columns.map((column) => {
      const value = parseJson(columnJson(column, data?.get(column.name), stored[column.name]));
      return [column.name, plainValue(value)];
    }),
  );
}
