import { randomBytes } from 'node:crypto';
import { LosslessNumber } from 'lossless-json';
import { filledIn, isKey, parsingParts, type StandIn } from './json-parts.js';
import { scanJson, type JsonScan } from './json-scan.js';
import { atOnce, type Pieces } from '../pieces.js';

/** A number as {@link parseLossless} gives it: JavaScript's own where that prints the same digits. */
export type ExactNumber = number | LosslessNumber;

/**
 * Prefix of the text that stands for a number while the rest is parsed. It is random, so that no client can send it.
 */
const NUMBER = randomBytes(9).toString('base64url');

/** For deeper texts, the native parser itself decides whether they are too deep for the stack. */
const SHALLOW = 1_000;

/**
 * Parses JSON into plain values. Numbers that JavaScript would print in another way (`5.00`, those beyond 2⁵³) become
 * `LosslessNumber`s that keep their digits; the last of duplicate keys wins. Node's own parser does the work: reading
 * character by character takes a hundred times as long for long strings, and nothing else is served meanwhile.
 * @param scan of the text, where it is known; what is behind its end is left out
 * @throws SyntaxError for what is no JSON; RangeError for nesting beyond the stack
 */
export function parseLossless(text: string, scan: JsonScan = scanJson(text)): unknown {
  return atOnce(parsing(text, scan, parsingWhole));
}

/** {@link parseLossless} in pieces. */
export function* parsing(text: string, scan: JsonScan, parse = parsingParts): Pieces<unknown> {
  const numbers = inQuotes(text, scan.unusual);
  return scan.nesting > SHALLOW
    ? JSON.parse(numbers.slice(0, scan.end), (_key, value) =>
        typeof value === 'string' ? numbers.valueOf(value) : value,
      )
    : yield* parse(text, scan.end, numbers);
}

/** Twice as fast as in parts. */
function* parsingWhole(_text: string, end: number, { slice, valueOf }: StandIn): Pieces<unknown> {
  yield;
  const safe = slice(0, end);
  const value: unknown = JSON.parse(safe);
  return safe.length === end ? value : filledIn(value, valueOf);
}

/** A text, with the numbers in quotes that JavaScript would not give back as they are. */
function inQuotes(text: string, unusual: JsonScan['unusual']): StandIn {
  return {
    slice: (start, end) => {
      let copied = start;
      const parts: string[] = [];
      for (let index = firstFrom(unusual, start); (unusual[index] ?? end) < end; index += 2) {
        const [from, to = end] = [unusual[index], unusual[index + 1]];
        const token = text.slice(from, to);
        // What is no number, or where only a key may be, stays what it is, for the parser to refuse.
        if (isExact(token) || !IS_NUMBER.test(token) || isKey(text, to)) continue;
        parts.push(text.slice(copied, from), `"${NUMBER}${token}"`);
        copied = to;
      }
      return copied === start ? text.slice(start, end) : parts.join('') + text.slice(copied, end);
    },
    valueOf: (part) => (part.startsWith(NUMBER) ? new LosslessNumber(part.slice(NUMBER.length)) : part),
  };
}

/** The index of the first of some numbers, which have two positions each, that begins at a position or behind it. */
function firstFrom(positions: readonly number[], start: number): number {
  let [low, high] = [0, positions.length >> 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((positions[2 * middle] ?? start) < start) low = middle + 1;
    else high = middle;
  }
  return 2 * low;
}

/** Whether JavaScript's number has the same digits, spelled in the same way. */
function isExact(token: string): boolean {
  return !UNSIGNED_EXPONENT.test(token) && String(Number(token)) === token;
}

/** JavaScript writes `1e+300`, and takes long for it. */
const UNSIGNED_EXPONENT = /[eE]\d/;

/** Each character can be taken in one way only, so that the time is linear. */
const IS_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
