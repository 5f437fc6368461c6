import type { JsonScan } from '../../../common/json-scan.js';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import { isJson, isJsonObject, parseJson } from './json.js';
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
 * @param scan of a document that is sent as text
 * @returns Infinity for a number that is none of a device's
 */
export function excessGrowth(column: ContractColumn, value: unknown, scan: JsonScan | null = null): number {
  const growth = growthOf(column, value, scan);
  if (growth === 0 || growth === Infinity) return growth;
  return Math.max(0, growth - FREE_FACTOR * sizeOf(value));
}

function growthOf(
  { baseType, isArray }: Pick<ContractColumn, 'baseType' | 'isArray'>,
  value: unknown,
  scan: JsonScan | null,
): number {
  const type = baseType.replace(/^_/, '');
  const keepsSpelling = KEEPS_SPELLING.has(type);
  if (typeof value !== 'string') {
    const { numbers, texts } = leavesOf(value);
    if (numbers.some((token) => token.length > MAX_NUMBER_LENGTH)) return Infinity;
    if (keepsSpelling) return 0;
    // Strings in a document stay strings; in an array they are elements.
    return sum(numbers.map(numberGrowth)) + (type === 'jsonb' ? 0 : sum(texts.map(textGrowth)));
  }
  if (keepsSpelling || !MAY_GROW.test(value)) return 0;
  if (type === 'jsonb' && !isArray)
    return scan === null ? singleGrowth(value.trim()) : documentGrowth(value, scan);
  const list = isArray ? parseJson(value) : undefined;
  return Array.isArray(list) ? growthOf({ baseType: type, isArray: true }, list, null) : textGrowth(value);
}

/** Of a document of one value: what is no number of JSON's is a string. */
function singleGrowth(text: string): number {
  return JSON_NUMBER.test(text) ? wordGrowth(text) : 0;
}

const JSON_NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** About as many characters as the value was sent with. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  const token = numberToken(value);
  if (token !== null) return token.length;
  if (Array.isArray(value)) return value.reduce<number>((size, element) => size + 1 + sizeOf(element), 1);
  if (!isJsonObject(value)) return String(value).length;
  return Object.entries(value).reduce((size, [key, member]) => size + key.length + 4 + sizeOf(member), 1);
}

/** Types whose values come back about as long as they were sent, or as doubles. */
const KEEPS_SPELLING: ReadonlySet<string> = new Set([
  'bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'money', 'text', 'varchar', 'bpchar', 'citext', 'name', 'uuid',
  'bytea', 'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'json', 'xml', 'inet', 'cidr', 'macaddr',
]); // prettier-ignore

const MAY_GROW = new RegExp(String.raw`[eE\\"][+-]?\w|(?<![\w.])[\w.]{${MAX_NUMBER_LENGTH + 1}}`);
const NO_NUMBER = /[^\w.+-]/;

/** Quotes and escapes may stand within a number of an array or a range: `{1\e300}`, `[1"e"300,)`. */
function textGrowth(text: string): number {
  return sum(text.replaceAll(/["\\]/g, '').split(NO_NUMBER).map(wordGrowth));
}

/** Of a number as PostgreSQL reads it, hexadecimal ones with the square of their length; none of a word. */
function wordGrowth(word: string): number {
  return word.length > MAX_NUMBER_LENGTH && LONG_NUMBER.test(word) ? Infinity : numberGrowth(word);
}

const LONG_NUMBER = /^[+-]?\.?\d[\da-fox_.+-]*$/i;

/** A text that is no JSON becomes a string, whatever it looks like. */
function documentGrowth(text: string, { exponents, unusual }: JsonScan): number {
  let growth = 0;
  for (let index = 0; index < unusual.length; index += 2) {
    if ((unusual[index + 1] ?? 0) - (unusual[index] ?? 0) > MAX_NUMBER_LENGTH) growth = Infinity;
  }
  for (let index = 0; index < exponents.length; index += 2) {
    growth += numberGrowth(text.slice(exponents[index], exponents[index + 1]));
  }
  return growth > 0 && !isJson(text) ? 0 : growth;
}

function numberGrowth(token: string): number {
  const mark = Math.max(token.indexOf('e'), token.indexOf('E'));
  if (mark === -1) return 0;
  // PostgreSQL takes 1_000 for a number.
  const plain = token.includes('_') ? token.replaceAll('_', '') : token;
  if (Number.isNaN(Number(plain))) return 0;
  const power = Math.abs(Number(plain.slice(Math.max(plain.indexOf('e'), plain.indexOf('E')) + 1)));
  return power > MAX_EXPONENT ? Infinity : power;
}

interface Leaves {
  readonly numbers: string[];
  readonly texts: string[];
}

/** All numbers and texts of a parsed value, which is not deeper than the parser has come. */
function leavesOf(value: unknown, found: Leaves = { numbers: [], texts: [] }): Leaves {
  const token = numberToken(value);
  if (token !== null) found.numbers.push(token);
  else if (typeof value === 'string') found.texts.push(value);
  else if (Array.isArray(value)) for (const element of value) leavesOf(element, found);
  else if (isJsonObject(value)) for (const member of Object.values(value)) leavesOf(member, found);
  return found;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
