import { SyncError } from '../sync-error.js';
import type { Column, TableSchema } from './columns.js';
import { canonicalText } from './ids.js';
import type { Row } from './record.js';
import { canonicalTime } from './times.js';

/**
 * Checks the values that an app wants to write, and leaves out columns that are undefined.
 * @throws SyncError `read_only_table`, `unknown_column`, `read_only_column` or `invalid_value`, with the column's name
 */
export function checkValues(table: TableSchema, values: Row, isCreate: boolean): Row {
  if (!table.writable) {
    throw new SyncError('read_only_table', `${table.name} is read-only: its push policy is "disabled"`);
  }
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    const column = table.columns.get(name);
    if (!column) {
      const known = [...table.columns.keys()].join(', ');
      throw new SyncError(
        'unknown_column',
        `${table.name} has no column "${name}"; its columns are ${known}`,
      );
    }
    if (isServerOwned(table, name, isCreate)) {
      throw new SyncError('read_only_column', `${table.name}.${name} is the server's: leave it out`);
    }
    checked[name] = checkValue(table, column, value);
  }
  return checked;
}

/** Only a create chooses the parent. */
function isServerOwned(table: TableSchema, name: string, isCreate: boolean): boolean {
  if ([table.key, table.updatedAt, table.deletedAt].includes(name)) return true;
  return !isCreate && name === table.parent?.column;
}

function checkValue(table: TableSchema, column: Column, value: unknown): unknown {
  if (value === null) {
    if (column.nullable) return null;
    throw invalid(table, column, 'null', 'a value');
  }
  const expected = EXPECTED[column.kind];
  if (!expected.accepts(value)) throw invalid(table, column, describe(value), expected.text);
  if (column.kind === 'time') return canonicalTime(value as string, true);
  if (column.kind === 'local-time') return canonicalTime(value as string, false);
  if (typeof value === 'string') return canonicalText(column, value);
  // The app may go on changing its own object.
  return typeof value === 'object' ? (JSON.parse(JSON.stringify(value)) as unknown) : value;
}

const isString = (value: unknown): boolean => typeof value === 'string';
const isArray = { accepts: Array.isArray, text: 'an array' };
const isTime = { accepts: isString, text: 'an ISO time as a string' };

/** `NaN` and the infinities are text, as on the wire: JSON has no numbers for them. */
const EXPECTED: Readonly<
  Record<Column['kind'], { readonly accepts: (value: unknown) => boolean; readonly text: string }>
> = {
  text: { accepts: isString, text: 'a string' },
  number: {
    accepts: (value) => Number.isFinite(value) || ['NaN', 'Infinity', '-Infinity'].includes(value as string),
    text: 'a number',
  },
  exact: {
    accepts: (value) => isString(value) && /^([+-]?[\d.]+(e[+-]?\d+)?|NaN|-?Infinity)$/i.test(String(value)),
    text: 'a number as a string, with all its digits',
  },
  boolean: { accepts: (value) => typeof value === 'boolean', text: 'a boolean' },
  json: { accepts: isJson, text: 'a JSON value' },
  array: isArray,
  'exact-array': isArray,
  bytes: { accepts: (value) => isString(value) && isBase64(String(value)), text: 'base64 text' },
  time: isTime,
  'local-time': isTime,
};

function isJson(value: unknown): boolean {
  return typeof value === 'object' || ['string', 'number', 'boolean'].includes(typeof value);
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

function invalid(table: TableSchema, column: Column, got: string, expected: string): SyncError {
  const name = `${table.name}.${column.name}`;
  return new SyncError('invalid_value', `${name} (${column.dbType}) takes ${expected}, not ${got}`);
}

function describe(value: unknown): string {
  if (typeof value === 'object') return value instanceof Date ? 'a Date' : 'an object';
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'number' || typeof value === 'boolean'
    ? `the ${typeof value} ${value}`
    : `a ${typeof value}`;
}

/** A new row as the app sees it until the server's version comes: with the defaults that can be computed here. */
export function newRow(table: TableSchema, id: string, patch: Row, at: string): Row {
  const row: Record<string, unknown> = {};
  for (const column of table.columns.values()) row[column.name] = defaultValue(column, at);
  const isNumber = table.columns.get(table.key)?.kind === 'number';
  return { ...row, ...patch, [table.key]: isNumber ? Number(id) : id };
}

function defaultValue({ defaultSql, kind }: Column, at: string): unknown {
  if (defaultSql === null || defaultSql === 'NULL') return null;
  if (defaultSql === 'CURRENT_TIMESTAMP') return canonicalTime(at, kind !== 'local-time');
  if (defaultSql === 'CURRENT_DATE') return at.slice(0, 10);
  if (defaultSql === 'CURRENT_TIME') return at.slice(11, 19);
  const text = defaultSql.startsWith("'") ? defaultSql.slice(1, -1).replaceAll("''", "'") : defaultSql;
  if (kind === 'boolean') return text === '1';
  if (kind === 'number') return Number(text);
  return kind === 'json' || kind.endsWith('array') ? (JSON.parse(text) as unknown) : text;
}
