import type { ContractColumn } from '../../schema/schema-contract.js';
import { isJsonObject, parseJson } from './json.js';
import { numberToken } from './numbers.js';

/**
 * Whether a value has numbers that are a few characters as they were sent, and very many as PostgreSQL prints them:
 * `1e131071` in a document becomes 131,072 digits, and a few kilobytes of them more than a server can hold. No double
 * goes this far, so no device means one.
 */
export function hasExpandingNumber({ baseType }: ContractColumn, value: unknown): boolean {
  const type = baseType.replace(/^_/, ''); // of an array's elements
  if (type !== 'jsonb' && type !== 'numeric') return false;
  if (typeof value !== 'string') return isExpanding(value);
  if (!MAY_EXPAND.test(value)) return false;
  // Devices send documents and arrays as text, which may be PostgreSQL's own form of an array, too.
  if (type === 'numeric') return value.split(/[^\w.+-]+/).some(isExpandingToken);
  return isExpanding(parseJson(value));
}

/** Beyond the exponents of doubles, with all their digits. */
const MAX_EXPONENT = 400;

const MAY_EXPAND = /\de[+-]?\d{3}/i;

/** Not deeper than the parser has come. */
function isExpanding(value: unknown): boolean {
  const token = numberToken(value);
  if (token !== null) return isExpandingToken(token);
  if (Array.isArray(value)) return value.some(isExpanding);
  return isJsonObject(value) && Object.values(value).some(isExpanding);
}

function isExpandingToken(token: string): boolean {
  const exponent = /e[+-]?0*(\d+)$/i.exec(token.trim())?.[1] ?? '0';
  return exponent.length > 3 || Number(exponent) > MAX_EXPONENT;
}
