import { exactDigits, plainNumbers } from '../wire/exact-json.js';
import type { Column, TableSchema } from './columns.js';
import type { Row } from './record.js';

/**
 * A row of an answer as the app gets it: exact numbers as text, bytea as base64. Changes `data` in place: there may be a
 * thousand of them in an answer, and nobody else has it.
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

/** PostgreSQL's arrays nest. */
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
 * A patch as a push sends it. A text in a document goes with its quotes, as the server would take one such as `5` for a
 * number otherwise.
 */
export function sentValues(table: TableSchema, patch: Row): Row {
  return Object.fromEntries(
    Object.entries(patch).map(([name, value]) => [
      name,
      table.columns.get(name)?.kind === 'json' && typeof value === 'string' ? JSON.stringify(value) : value,
    ]),
  );
}
