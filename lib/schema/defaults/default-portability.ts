import { parsePgArray, type PgArrayElement } from '../../database/pg-array-literal.js';
import { applyCasts, type DefaultValue } from './default-value.js';
import { parseDefaultExpression } from './default-expression.js';
import type { LogicalType } from '../schema-contract.js';

/** A default as clients get it. */
export interface PortableDefault {
  /** `portable`: SQLite computes the same value; `server_only`: only the server can. */
  readonly kind: 'none' | 'portable' | 'server_only';
  /** For `portable`: an expression that SQLite takes after `DEFAULT`. */
  readonly sqliteDefaultSql: string | null;
}

/** The column that a default belongs to. */
export interface DefaultTarget {
  readonly logicalType: LogicalType;
  readonly isArray: boolean;
  /** The delimiter of an array's elements in its text. */
  readonly delimiter: string;
  /** Of an array's elements; null for what is no array, and for elements that have none. */
  readonly elementLogicalType: LogicalType | null;
}

/**
 * Decides whether SQLite can compute a default, and how. The expression is parsed, and the value followed through its
 * casts; an expression that isn't certainly understood is left to the server (docs/protocol.md#defaults, hazards
 * W-SCH-6 and W-SCH-8). Where the reference was right, the text is the same as its, so that the contract's hash is
 * too.
 *
 * @param defaultSql as `pg_get_expr` prints it under `TEXT_SETTINGS`; null for none
 */
export function portableDefault(defaultSql: string | null, target: DefaultTarget): PortableDefault {
  if (defaultSql === null || defaultSql.trim() === '') return { kind: 'none', sqliteDefaultSql: null };
  const expression = parseDefaultExpression(defaultSql);
  const value = expression && applyCasts(expression);
  const sqliteDefaultSql = value && toSqlite(value, target);
  return { kind: sqliteDefaultSql === null ? 'server_only' : 'portable', sqliteDefaultSql };
}

function toSqlite(value: DefaultValue, target: DefaultTarget): string | null {
  if (value.kind === 'null') return 'NULL';
  if (target.isArray) return arrayToSqlite(value, target);
  switch (value.kind) {
    case 'boolean':
      return booleanToSqlite(value.value, target.logicalType);
    case 'number':
      return numberToSqlite(value.text, target.logicalType);
    case 'string':
      return STRING_SHAPES[target.logicalType].test(value.text) ? quote(value.text) : null;
    case 'clock':
      return CLOCK[`${value.unit} as ${target.logicalType}`] ?? null;
    default:
      return null;
  }
}

function booleanToSqlite(value: boolean, type: LogicalType): string | null {
  if (type === 'string') return quote(String(value));
  return type === 'boolean' || isNumeric(type) ? String(Number(value)) : null;
}

function numberToSqlite(text: string, type: LogicalType): string | null {
  if (type === 'float') return text;
  if (INTEGER.test(text)) return type === 'string' || isNumeric(type) ? text : null;
  // Unquoted, SQLite would make 1.50 a 1.5 on its way into a TEXT column.
  return type === 'string' ? quote(text) : null;
}

/** The same text as the row's JSON will have, since that is what clients keep of an array. */
function arrayToSqlite(value: DefaultValue, { delimiter, elementLogicalType }: DefaultTarget): string | null {
  const elements =
    value.kind === 'array'
      ? value.items
      : value.kind === 'string'
        ? parsePgArray(value.text, delimiter)
        : null;
  const json = elements && arrayToJson(elements, elementLogicalType);
  return json === null ? null : quote(json);
}

type Element = DefaultValue | PgArrayElement;

function arrayToJson(elements: readonly Element[], type: LogicalType | null): string | null {
  const parts = elements.map((element) => elementToJson(element, type));
  return parts.includes(null) ? null : `[${parts.join(',')}]`;
}

function elementToJson(element: Element, type: LogicalType | null): string | null {
  if (element === null) return 'null';
  if (typeof element === 'string') return scalarToJson(element, type);
  if (!('kind' in element)) return arrayToJson(element, type);
  switch (element.kind) {
    case 'null':
      return 'null';
    case 'boolean':
      return scalarToJson(String(element.value), type);
    case 'number':
    case 'string':
      return scalarToJson(element.text, type);
    case 'array':
      return arrayToJson(element.items, type);
    default:
      return null;
  }
}

function scalarToJson(text: string, type: LogicalType | null): string | null {
  switch (type) {
    case 'string':
      return JSON.stringify(text);
    case 'int':
    case 'int64':
      return INTEGER.test(text) ? text : null;
    case 'float':
      return JSON_NUMBER.test(text) ? text : null;
    case 'boolean':
      return /^t(?:rue)?$/.test(text) ? 'true' : /^f(?:alse)?$/.test(text) ? 'false' : null;
    default:
      return null;
  }
}

const INTEGER = /^[+-]?\d+$/;
const JSON_NUMBER = /^-?\d+(?:\.\d+)?$/;

/** The form of a quoted literal that has the same meaning for clients and server. */
const STRING_SHAPES: Readonly<Record<LogicalType, RegExp>> = {
  string: /^/,
  json: /^/,
  bytes: /^/,
  int: INTEGER,
  int64: INTEGER,
  float: /^[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Infinity|NaN)$/i,
  // `'t'` in an INTEGER column would be a text that is never equal to 1.
  boolean: /(?!)/,
  date: /^\d{4,}-\d\d-\d\d$/,
  time: /^\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[+-]\d\d(?::?\d\d)?)?$/,
  datetime: /^\d{4,}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?$/,
};

const CLOCK: Readonly<Record<string, string>> = {
  'timestamp as datetime': 'CURRENT_TIMESTAMP',
  'timestamp as date': 'CURRENT_DATE',
  'timestamp as time': 'CURRENT_TIME',
  'date as datetime': 'CURRENT_DATE',
  'date as date': 'CURRENT_DATE',
  'date as string': 'CURRENT_DATE',
  'time as time': 'CURRENT_TIME',
};

function isNumeric(type: LogicalType): boolean {
  return type === 'int' || type === 'int64' || type === 'float';
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
