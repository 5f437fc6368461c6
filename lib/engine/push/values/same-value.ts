import { parseTimestamp } from '../../../common/timestamp.js';
import { NULL_DOCUMENT } from '../../../schema/row-json.js';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import { columnJson } from './client-values.js';
import { isUnchanged } from '../unchanged.js';
import { isJsonObject, parseJson } from './json.js';
import { canonicalDecimal, numberToken } from './numbers.js';

/**
 * Whether what a client sent for a column is what the server has.
 *
 * It never calls different values the same, but may miss that two spellings mean one value (of an interval, say).
 * That costs a needless write or echo, never an edit.
 *
 * @param stored the value on the wire, parsed losslessly
 */
export function sameValue(column: ContractColumn, sent: unknown, stored: unknown): boolean {
  if (isUnchanged(column, sent, stored)) return true;
  const value =
    parseJson(columnJson(column, sent, stored)) ?? (isNullDocument(column) ? NULL_DOCUMENT : null);
  const server = stored ?? null;
  if (value === null || server === null) return value === server;
  if (column.isArray && value === '{}') return Array.isArray(server) && server.length === 0;
  if (typeof value === 'string' && typeof server === 'string') return sameText(column, value, server);
  return sameJson(value, server, column.baseType === 'float4' || column.baseType === 'float8');
}

/** A null in it is the document's own, which reads as a text. */
function isNullDocument({ baseType, nullable }: ContractColumn): boolean {
  return !nullable && (baseType === 'json' || baseType === 'jsonb');
}

function sameText({ baseType }: ContractColumn, value: string, server: string): boolean {
  if (value === server) return true;
  if (baseType === 'uuid' || baseType === 'bytea') return value.toLowerCase() === server.toLowerCase();
  if (baseType !== 'timestamp' && baseType !== 'timestamptz') return false;
  const micros = parseTimestamp(value)?.micros;
  return micros !== undefined && micros === parseTimestamp(server)?.micros;
}

function sameJson(a: unknown, b: unknown, asDouble: boolean): boolean {
  if (a === b) return true;
  const [left, right] = [numberToken(a), numberToken(b)];
  if (left !== null && right !== null) {
    return asDouble ? Number(left) === Number(right) : sameDecimal(left, right);
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((element, index) => sameJson(element, b[index], asDouble));
  }
  if (isJsonObject(a) && isJsonObject(b)) {
    const names = Object.keys(a);
    return (
      names.length === Object.keys(b).length &&
      names.every((name) => Object.hasOwn(b, name) && sameJson(a[name], b[name], asDouble))
    );
  }
  return false;
}

function sameDecimal(left: string, right: string): boolean {
  if (left === right) return true;
  const decimal = canonicalDecimal(left);
  return decimal !== null && decimal === canonicalDecimal(right);
}
