import { scanJson } from '../../common/json-scan.js';
import type { ContractColumn } from '../../schema/schema-contract.js';
import { isJsonObject, jsonText, parseJson } from './json.js';
import { numberToken } from './numbers.js';

/** Characters of a number; a double has 24 at most, a device's exact numeric rarely a hundred. */
const MAX_NUMBER_LENGTH = 1000;

/** Beyond the exponents of doubles, with all their digits: no device means it. */
const MAX_EXPONENT = 400;

/** Of one value: what was sent, so many times again, costs nobody anything. */
const FREE_FACTOR = 4;

/**
 * Characters by which a value grows too much when PostgreSQL writes its numbers out: `1e300` in a document becomes 301
 * digits, and every device gets them all. Numbers are counted where the column's type keeps them as numerics.
 * @returns Infinity for a number that is none of a device's
 */
export function excessGrowth(column: ContractColumn, value: unknown): number {
  const growth = growthOf(column.baseType.replace(/^_/, ''), value, column.isArray);
  if (growth === 0 || growth === Infinity) return growth;
  const size = typeof value === 'string' ? value.length : jsonText(value).length;
  return Math.max(0, growth - FREE_FACTOR * size);
}

function growthOf(type: string, value: unknown, isArray: boolean): number {
  const keepsSpelling = KEEPS_SPELLING.has(type);
  if (typeof value !== 'string') {
    const tokens = numbersOf(value);
    if (tokens.some((token) => token.length > MAX_NUMBER_LENGTH)) return Infinity;
    return keepsSpelling ? 0 : sum(tokens.map(numberGrowth));
  }
  if (keepsSpelling || !MAY_GROW.test(value)) return 0;
  // An array's text may be PostgreSQL's own form, whose elements have quotes within quotes.
  return type === 'jsonb' && !isArray ? documentGrowth(value) : sum(value.split(NO_NUMBER).map(numberGrowth));
}

/** Types whose values come back about as long as they were sent, or as doubles. */
const KEEPS_SPELLING: ReadonlySet<string> = new Set([
  'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'money', 'text', 'varchar', 'bpchar', 'citext', 'name', 'uuid',
  'bytea', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'json', 'xml', 'inet', 'cidr', 'macaddr',
]); // prettier-ignore

const MAY_GROW = /[eE][+-]?\d/;
const NO_NUMBER = /[^\w.+-]/;

/** A text that is no JSON becomes a string, whatever it looks like. */
function documentGrowth(text: string): number {
  const { exponents } = scanJson(text);
  let growth = 0;
  for (let index = 0; index < exponents.length; index += 2) {
    growth += numberGrowth(text.slice(exponents[index], exponents[index + 1]));
  }
  return growth > 0 && parseJson(text) === undefined ? 0 : growth;
}

function numberGrowth(token: string): number {
  const mark = Math.max(token.indexOf('e'), token.indexOf('E'));
  if (mark === -1) return 0;
  // PostgreSQL takes 1_000 for a number.
  const [mantissa, exponent] = [token.slice(0, mark), token.slice(mark + 1)].map((part) =>
    part.replaceAll('_', ''),
  );
  if (!mantissa || !exponent || Number.isNaN(Number(mantissa)) || Number.isNaN(Number(exponent))) return 0;
  const power = Math.abs(Number(exponent));
  return power > MAX_EXPONENT ? Infinity : power;
}

/** All numbers of a parsed value, which is not deeper than the parser has come. */
function numbersOf(value: unknown, found: string[] = []): readonly string[] {
  const token = numberToken(value);
  if (token !== null) found.push(token);
  else if (Array.isArray(value)) for (const element of value) numbersOf(element, found);
  else if (isJsonObject(value)) for (const member of Object.values(value)) numbersOf(member, found);
  return found;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
