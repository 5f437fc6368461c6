import type { JsonScan } from '../../../common/json/json-scan.js';
import type { Pieces } from '../../../common/pieces.js';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import { isJson, isJsonObject, parseJson } from './json.js';
import { numberToken } from './numbers.js';

/** Characters of a number; a double has 24 at most, a device's exact numeric rarely a hundred. */
const MAX_NUMBER_LENGTH = 1000;

/** Beyond the exponents of doubles, with all their digits: no device means it. */
const MAX_EXPONENT = 400;

/** Of one value: a factor of growth that costs other users nothing. */
const FREE_FACTOR = 4;

/**
 * Characters by which a value grows too much when PostgreSQL writes its numbers out: `1e300` in a document becomes 301
 * digits, and every device gets them all. Numbers are counted where the column's type keeps them as numerics.
 * @param scan of a document that is sent as text
 * @returns Infinity for a number that is none of a device's
 */
export function* excessGrowth(
  column: ContractColumn,
  value: unknown,
  scan: JsonScan | null = null,
): Pieces<number> {
  const { growth, size } = yield* growthOf(column, value, scan);
  return growth === Infinity ? growth : Math.max(0, growth - FREE_FACTOR * size);
}

interface Growth {
  readonly growth: number;
  /** About as many characters as the value was sent with. */
  readonly size: number;
}

function* growthOf(
  { baseType, isArray }: Pick<ContractColumn, 'baseType' | 'isArray'>,
  value: unknown,
  scan: JsonScan | null,
): Pieces<Growth> {
  const type = baseType.replace(/^_/, '');
  const keepsSpelling = KEEPS_SPELLING.has(type);
  // Strings in a document stay strings; in an array they are elements.
  if (typeof value !== 'string') return yield* growthOfParts(value, keepsSpelling, type === 'jsonb');
  const size = value.length;
  if (keepsSpelling || !MAY_GROW.test(value)) return { growth: 0, size };
  if (type === 'jsonb' && !isArray)
    return { growth: scan === null ? singleGrowth(value.trim()) : documentGrowth(value, scan), size };
  const list = isArray ? parseJson(value) : undefined;
  if (!Array.isArray(list)) return { growth: textGrowth(value), size };
  return { ...(yield* growthOf({ baseType: type, isArray: true }, list, null)), size };
}

/** Of a parsed value, and all that it holds. */
function* growthOfParts(value: unknown, keepsSpelling: boolean, keepsTexts: boolean): Pieces<Growth> {
  const open: (readonly unknown[])[] = [[value]];
  let [growth, size, seen] = [0, 0, 0];
  for (let parts = open.pop(); parts !== undefined; parts = open.pop()) {
    for (const part of parts) {
      if (++seen % PIECE === 0) yield;
      const token = numberToken(part);
      if (token !== null) {
        size += token.length;
        if (token.length > MAX_NUMBER_LENGTH) growth = Infinity;
        else if (!keepsSpelling) growth += exponentGrowth(token);
      } else if (typeof part === 'string') {
        size += part.length;
        if (!keepsSpelling && !keepsTexts) growth += textGrowth(part);
      } else if (Array.isArray(part)) {
        size += 1 + part.length;
        open.push(part);
      } else if (isJsonObject(part)) {
        size += Object.keys(part).reduce((sum, key) => sum + key.length + 4, 1);
        open.push(Object.values(part));
      } else size += String(part).length;
    }
  }
  return { growth, size };
}

/** Of a document of one value: what is no number of JSON's is a string. */
function singleGrowth(text: string): number {
  return JSON_NUMBER.test(text) ? wordGrowth(text) : 0;
}

const JSON_NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

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

/** A text that is no JSON becomes a string, of any content. */
function documentGrowth(text: string, { unusual }: JsonScan): number {
  let growth = 0;
  for (let index = 0; index < unusual.length; index += 2) {
    const token = text.slice(unusual[index], unusual[index + 1]);
    growth += token.length > MAX_NUMBER_LENGTH ? Infinity : numberGrowth(token);
  }
  return growth > 0 && !isJson(text) ? 0 : growth;
}

function numberGrowth(word: string): number {
  // PostgreSQL takes 1_000 for a number.
  const plain = word.includes('_') ? word.replaceAll('_', '') : word;
  return hasExponent(plain) && !Number.isNaN(Number(plain)) ? exponentGrowth(plain) : 0;
}

function hasExponent(word: string): boolean {
  return word.includes('e') || word.includes('E');
}

/** Of what is a number. */
function exponentGrowth(token: string): number {
  const mark = Math.max(token.indexOf('e'), token.indexOf('E'));
  if (mark === -1) return 0;
  const power = Math.abs(Number(token.slice(mark + 1)));
  return power > MAX_EXPONENT ? Infinity : power;
}

/** Parts that are checked in less than a millisecond. */
const PIECE = 1_000;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
