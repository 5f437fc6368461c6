import { exactDigits, plainNumbers } from '../wire/exact-json.js';
import type { Column, TableSchema } from './columns.js';
import type { Row } from './record.js';

/**
 * Turns a row of an answer into the app's form: exact numbers as text, bytea as base64. Changes `data` in place: an
 * answer may have a thousand rows, and nothing else holds them.
 */
export function readRow(table: TableSchema, data: Record<string, unknown>): Row {
  for (const column of table.columns.values()) {
    const value = data[column.name];
    if (value === undefined || value === null) data[column.name] = null;
    else if (column.kind !== 'text') data[column.name] = readValue(column, value);
  }
  return data;
}

function readValue({ kind }: Column, value: unknown): unknown {
  switch (kind) {
    case 'exact':
      return exactDigits(value) ?? value;
    case 'exact-array':
      return mapItems(value, (item) => exactDigits(item) ?? item);
    case 'bytes':
      return typeof value === 'string' && value.startsWith('\\x') ? base64(value) : value;
    case 'number':
    case 'json':
    case 'array':
      return plainNumbers(value);
    default:
      return value;
  }
}

/** Maps an array at any depth: PostgreSQL's arrays nest. */
function mapItems(value: unknown, map: (item: unknown) => unknown): unknown {
  return Array.isArray(value) ? value.map((item) => mapItems(item, map)) : map(value);
}

function base64(hex: string): string {
  let binary = '';
  for (let index = 2; index < hex.length; index += 2) {
    binary += String.fromCharCode(Number.parseInt(hex.slice(index, index + 2), 16));
  }
  return btoa(binary);
}

/**
 * Turns a patch into the form that a push sends. A text in a document keeps its quotes: the server would take one such
 * as `5` for a number.
 */
export function sentValues(table: TableSchema, patch: Row): Row {
  return Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [
      name,
      table.columns.get(name)?.kind === 'json' && typeof value === 'string' ? JSON.stringify(value) : value,
    ]),
  );
}
