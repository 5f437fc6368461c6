import { randomBytes } from 'node:crypto';
import { LosslessNumber } from 'lossless-json';
import { parsingParts } from './json-parts.js';
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

/** Numbers, or other values. */
const PIECE = 5_000;

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
export function* parsing(
  text: string,
  scan: JsonScan,
  parse: (text: string) => Pieces<unknown> = parsingParts,
): Pieces<unknown> {
  const safe = yield* withoutInexact(text, scan);
  if (scan.nesting > SHALLOW) return JSON.parse(safe, (_key, value) => unwrap(value));
  const value = yield* parse(safe);
  return safe.length === scan.end ? value : yield* unwrapAll(value);
}

/** Twice as fast as in parts. */
function* parsingWhole(text: string): Pieces<unknown> {
  yield;
  return JSON.parse(text);
}

function* withoutInexact(text: string, { unusual, end: textEnd }: JsonScan): Pieces<string> {
  let [safe, copied] = ['', 0];
  const parts: string[] = [];
  for (let index = 0; index < unusual.length; index += 2) {
    if (parts.length > PIECE) {
      safe += parts.splice(0).join('');
      yield;
    }
    const [start = 0, end = 0] = [unusual[index], unusual[index + 1]];
    const token = text.slice(start, end);
    // What is no number, or where only a key may be, stays what it is, for the parser to refuse.
    if (isExact(token) || !IS_NUMBER.test(token) || isKey(text, end)) continue;
    parts.push(text.slice(copied, start), `"${NUMBER}${token}"`);
    copied = end;
  }
  return copied === 0 ? text.slice(0, textEnd) : safe + parts.join('') + text.slice(copied, textEnd);
}

/** Whether JavaScript's number has the same digits, spelled in the same way. */
function isExact(token: string): boolean {
  return String(Number(token)) === token;
}

function isKey(text: string, end: number): boolean {
  let after = end;
  while (WHITESPACE.has(text[after] ?? '')) after++;
  return text[after] === ':';
}

const WHITESPACE = new Set([' ', '\t', '\n', '\r']);

/** Each character can be taken in one way only, so that the time is linear. */
const IS_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function unwrap(value: unknown): unknown {
  return typeof value === 'string' && value.startsWith(NUMBER)
    ? new LosslessNumber(value.slice(NUMBER.length))
    : value;
}

/** In place. A reviver would do the same, and take several times as long. */
function* unwrapAll(root: unknown): Pieces<unknown> {
  const open: unknown[] = [[root]];
  const [holder] = open as [unknown[]];
  let seen = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const members = next as Record<string, unknown>;
    const keys = Array.isArray(next) ? next.keys() : Object.keys(members);
    for (const key of keys) {
      if (++seen % PIECE === 0) yield;
      const member = members[key];
      if (typeof member === 'string') members[key] = unwrap(member);
      else if (typeof member === 'object' && member !== null) open.push(member);
    }
  }
  return holder[0];
}
