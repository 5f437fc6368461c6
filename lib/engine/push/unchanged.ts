import type { ContractColumn } from '../../schema/schema-contract.js';
import { isJsonObject, parseJson } from './values/json.js';
import { canonicalDecimal, isInt64, mayBeDouble, numberToken } from './values/numbers.js';

/**
 * Whether a value is the stored one as a device holds it. Devices send whole rows, so an untouched column comes back
 * in its form in SQLite: a numeric rounded to a double, a document or an array printed again, its numbers rounded too
 * (docs/protocol.md#values). Such a column is not written (W-DATA-1 to 3).
 *
 * @param sent as it came in, parsed losslessly
 * @param stored as it is on the wire, parsed losslessly
 */
export function isUnchanged({ logicalType }: ContractColumn, sent: unknown, stored: unknown): boolean {
  const [value, server] = [sent ?? null, stored ?? null];
  if (value === null || server === null || typeof server === 'string') return value === server;
  if (logicalType === 'float') return isUnchangedDouble(value, server);
  if (logicalType !== 'json') return isUnchangedDocument(value, server);
  if (typeof server !== 'object' || numberToken(server) !== null) return isUnchangedScalar(value, server);
  return isUnchangedDocument(typeof value === 'string' ? parseJson(value) : value, server);
}

/** A number in a REAL column. */
function isUnchangedDouble(sent: unknown, stored: unknown): boolean {
  const [token, server] = [numberToken(sent), numberToken(stored)];
  return token !== null && server !== null && mayBeDouble(token) && Number(token) === Number(server);
}

/** A document's number or boolean stands in a TEXT column; SQLite before 3.53 prints 15 digits of a double. */
function isUnchangedScalar(sent: unknown, stored: unknown): boolean {
  const [token, server] = [numberToken(sent) ?? sent, numberToken(stored)];
  if (typeof stored === 'boolean') return token === stored || token === (stored ? '1' : '0');
  if (typeof token !== 'string' || server === null) return false;
  if (isUnchangedNumber(token, server)) return true;
  return !isInt64(server) && mayBeDouble(token) && Number(Number(server).toPrecision(15)) === Number(token);
}

function isUnchangedDocument(sent: unknown, stored: unknown): boolean {
  if (sent === stored) return true;
  const [token, server] = [numberToken(sent), numberToken(stored)];
  if (token !== null && server !== null) return isUnchangedNumber(token, server);
  if (Array.isArray(sent) && Array.isArray(stored)) {
    return (
      sent.length === stored.length &&
      sent.every((element, index) => isUnchangedDocument(element, stored[index]))
    );
  }
  if (!isJsonObject(sent) || !isJsonObject(stored)) return false;
  const names = Object.keys(sent);
  return (
    names.length === Object.keys(stored).length &&
    names.every((name) => Object.hasOwn(stored, name) && isUnchangedDocument(sent[name], stored[name]))
  );
}

/** Integers of 64 bits are held exactly, all others as doubles. */
function isUnchangedNumber(token: string, stored: string): boolean {
  if (token === stored) return true;
  const decimal = canonicalDecimal(token);
  if (decimal === null) return false;
  if (decimal === canonicalDecimal(stored)) return true;
  return !isInt64(stored) && mayBeDouble(token) && Number(token) === Number(stored);
}
