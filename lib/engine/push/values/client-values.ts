import { formatMicros, parseTimestamp } from '../../../common/timestamp.js';
import { NULL_DOCUMENT } from '../../../schema/row-json.js';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import { withLabelsOfNow } from './former-labels.js';
import { isJsonObject, jsonText, parseJson } from './json.js';
import { integerText, numberToken, withoutTrailing } from './numbers.js';

/**
 * A client's value as the JSON text that `json_to_recordset` turns into the column's type. Devices keep values in
 * SQLite's five storage classes, so values come back in another form (docs/protocol.md#values). A value that can't be
 * converted goes on as it is: PostgreSQL refuses it, and the change gets a verdict.
 *
 * @param stored the value that the server has now, as it is on the wire (parsed losslessly); undefined if there is
 *   none. It shows the device's starting point where the sent value alone is ambiguous.
 */
export function columnJson(column: ContractColumn, sent: unknown, stored?: unknown): string {
  const value = column.formerLabels === undefined ? sent : withLabelsOfNow(column.formerLabels, sent, stored);
  if (value === null || value === undefined) return 'null';
  if (column.isArray) return arrayJson(value);
  switch (column.baseType) {
    case 'json':
    case 'jsonb':
      // The text of a null may be a null or a text: it is parsed again.
      return documentJson(value, !column.nullable && stored === NULL_DOCUMENT ? undefined : stored);
    case 'bool':
      return booleanJson(value);
    case 'int2':
    case 'int4':
    case 'int8':
      return integerJson(value);
    case 'numeric':
      return numericJson(value);
    case 'float4':
    case 'float8':
      return numberToken(value) ?? textJson(value);
    case 'bytea':
      return textJson(typeof value === 'string' ? bytesText(value) : value);
    case 'timestamp':
      return textJson(typeof value === 'string' ? utcText(value) : value);
    default:
      return textJson(value);
  }
}

/** An array comes back as JSON text; `{…}` is PostgreSQL's own form, which its parser takes (W-DATA-2, W-SCH-6). */
function arrayJson(value: unknown): string {
  if (typeof value !== 'string') return Array.isArray(value) ? jsonText(value) : textJson(value);
  return Array.isArray(parseJson(value)) ? value : JSON.stringify(value);
}

/**
 * A document comes back as JSON text, but a string scalar without its quotes, and a boolean as 1 or 0 (W-DATA-3).
 * So where the server has a string, text stays one, unless it clearly is a document or a quoted string, and where it
 * has a boolean, those are one.
 */
function documentJson(value: unknown, stored: unknown): string {
  const token = numberToken(value);
  if (token !== null) return typeof stored === 'boolean' ? booleanJson(value) : token;
  if (typeof value !== 'string') return jsonText(value);
  if (typeof stored === 'boolean' && (value === '0' || value === '1'))
    return value === '1' ? 'true' : 'false';
  const document = parseJson(value);
  if (document === undefined) return JSON.stringify(value);
  const keepsString =
    typeof stored === 'string' &&
    typeof document !== 'string' &&
    !Array.isArray(document) &&
    !isJsonObject(document);
  return keepsString ? JSON.stringify(value) : value;
}

function booleanJson(value: unknown): string {
  const token = numberToken(value);
  if (token === null) return textJson(value);
  const digits = integerText(token);
  return digits === '1' ? 'true' : digits === '0' ? 'false' : token;
}

/** SQLite's REAL writes an integer as `5.0`. */
function integerJson(value: unknown): string {
  const token = numberToken(value);
  if (token !== null) return integerText(token) ?? token;
  return typeof value === 'boolean' ? (value ? '1' : '0') : textJson(value);
}

function numericJson(value: unknown): string {
  const token = numberToken(value);
  return token ?? (typeof value === 'boolean' ? (value ? '1' : '0') : textJson(value));
}

/** `\x…` as the server gave it, or base64 of a BLOB (W-DATA-4); else PostgreSQL's escape format. */
function bytesText(text: string): string {
  if (text.startsWith('\\x') || !isBase64(text)) return text;
  return `\\x${Buffer.from(text, 'base64').toString('hex')}`;
}

/** With its padding. A pattern that repeats a group keeps a record of each repetition: too many for megabytes. */
function isBase64(text: string): boolean {
  if (text.length % 4 !== 0) return false;
  const padding = text.length - withoutTrailing(text, '=');
  return padding <= 2 && !NO_BASE64.test(text.slice(0, text.length - padding));
}

const NO_BASE64 = /[^A-Za-z0-9+/]/;

/** A column without zone holds UTC; PostgreSQL would drop the zone of a value unread (W-DATA-5). */
function utcText(text: string): string {
  const hasZone = HAS_ZONE.test(text.slice(10, MAX_TIME_LENGTH));
  const parsed = hasZone ? parseTimestamp(text) : null;
  return parsed === null || parsed.micros < YEAR_1 ? text : formatMicros(parsed.micros).slice(0, -1);
}

/** Of a text that no longer one follows; longer ones are no times, and PostgreSQL says so. */
const MAX_TIME_LENGTH = 64;
const HAS_ZONE = /[Zz]|[+-]\d{2}/;

const YEAR_1 = -62_135_596_800_000_000n;

/** PostgreSQL reads a JSON string through the column type's own input (W-DATA-9). */
function textJson(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return JSON.stringify(numberToken(value) ?? jsonText(value));
}
