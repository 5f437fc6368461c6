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
  const growth = yield* growthOf(column, value, scan);
  if (growth === 0 || growth === Infinity) return growth;
  return Math.max(0, growth - FREE_FACTOR * (yield* sizeOf(value)));
}

function* growthOf(
  { baseType, isArray }: Pick<ContractColumn, 'baseType' | 'isArray'>,
  value: unknown,
  scan: JsonScan | null,
): Pieces<number> {
  const type = baseType.replace(/^_/, '');
  const keepsSpelling = KEEPS_SPELLING.has(type);
  if (typeof value !== 'string') {
    let [growth, seen] = [0, 0];
    for (const { part } of partsOf(value)) {
      if (++seen % PIECE === 0) yield;
      const token = numberToken(part);
      if (token !== null && token.length > MAX_NUMBER_LENGTH) return Infinity;
      if (keepsSpelling) continue;
      if (token !== null) growth += numberGrowth(token);
      // Strings in a document stay strings; in an array they are elements.
      else if (typeof part === 'string' && type !== 'jsonb') growth += textGrowth(part);
    }
    return growth;
  }
  if (keepsSpelling || !MAY_GROW.test(value)) return 0;
  if (type === 'jsonb' && !isArray)
    return scan === null ? singleGrowth(value.trim()) : documentGrowth(value, scan);
  const list = isArray ? parseJson(value) : undefined;
  return Array.isArray(list)
    ? yield* growthOf({ baseType: type, isArray: true }, list, null)
    : textGrowth(value);
}

/** Of a document of one value: what is no number of JSON's is a string. */
function singleGrowth(text: string): number {
  return JSON_NUMBER.test(text) ? wordGrowth(text) : 0;
}

const JSON_NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** About as many characters as the value was sent with. */
function* sizeOf(value: unknown): Pieces<number> {
  let [size, seen] = [0, 0];
  for (const { part, members } of partsOf(value)) {
    if (++seen % PIECE === 0) yield;
    const token = numberToken(part);
    if (typeof part === 'string') size += part.length;
    else if (token !== null) size += token.length;
    else if (Array.isArray(part)) size += 1 + part.length;
    else if (members === null) size += String(part).length;
    else size += Object.keys(part as object).reduce((sum, key) => sum + key.length + 4, 1);
  }
  return size;
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

/** A text that is no JSON becomes a string, of any content. */
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

interface Part {
  readonly part: unknown;
  /** Of an array or an object; null: it is neither. */
  readonly members: readonly unknown[] | null;
}

/** A parsed value, and all that it holds. */
function* partsOf(value: unknown): Generator<Part, void> {
  const open = [value];
  while (open.length > 0) {
    const part = open.pop();
    const members = Array.isArray(part) ? part : isJsonObject(part) ? Object.values(part) : null;
    yield { part, members };
    if (members !== null) for (const member of members) open.push(member);
  }
}

/** Parts that are checked in less than a millisecond. */
const PIECE = 1_000;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
