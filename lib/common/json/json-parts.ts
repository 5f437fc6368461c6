import { randomBytes } from 'node:crypto';
import { closingQuote, PIECE } from './json-scan.js';
import type { Pieces } from '../pieces.js';

/**
 * Characters that the native parser gets in one piece: about a millisecond, even where every second one is a value.
 */
const PART = 32_000;

/** Characters of a string that is not copied where it needn't be. */
const LONG = 1_000_000;

/** Prefix of the text that stands for a part that is parsed already. It is random, so that no client can send it. */
const PARSED = randomBytes(9).toString('base64url');

const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** An array or object that is open. */
interface Level {
  /** Where its bracket is; -1: the text as a whole. */
  readonly start: number;
  readonly isArray: boolean;
  /** The text that is not parsed yet: this, then the text from `from` on. */
  pending: string;
  from: number;
  /** The parsed value; null: none yet. */
  value: unknown[] | Record<string, unknown> | null;
}

/** What the parser gets in place of a text. */
export interface StandIn {
  /** In place of a part, which ends where a value does; longer where it isn't the same. */
  readonly slice: (start: number, end: number) => string;
  /** What a text in the parser's values stands for. */
  readonly valueOf: (text: string) => unknown;
}

/**
 * `JSON.parse` in pieces, for texts of any size: long arrays and objects are cut at their commas, and what is parsed
 * stands as a name in what is around it. So does a string of megabytes, of which no copy is made; with escapes, it is
 * parsed in one piece.
 * @param end where the text ends
 * @param standIn of the text
 * @throws SyntaxError as `JSON.parse` does
 */
export function* parsingParts(text: string, end: number, standIn: StandIn): Pieces<unknown> {
  const parsed: unknown[] = [];
  const parts: StandIn = {
    slice: standIn.slice,
    valueOf: (part) =>
      part.startsWith(PARSED) ? parsed[Number(part.slice(PARSED.length))] : standIn.valueOf(part),
  };
  let level: Level = { start: -1, isArray: true, pending: '', from: 0, value: null };
  const around: Level[] = [];
  for (let [at, pieceEnd] = [end <= PART ? end : 0, PIECE]; at < end; at++) {
    if (at >= pieceEnd) {
      yield;
      pieceEnd = at + PIECE;
    }
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const open = at;
      const close = text.indexOf('"', at + 1);
      at = text.charCodeAt(close - 1) === BACKSLASH ? yield* closingQuote(text, at) : close;
      if (at === -1) break;
      if (at - open > LONG && (yield* isValueAsItStands(text, open, at))) {
        level.pending += `${parts.slice(level.from, open)}"${PARSED}${parsed.length}"`;
        level.from = at + 1;
        parsed.push(text.slice(open + 1, at));
      }
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      around.push(level);
      level = { start: at, isArray: code === OPEN_BRACKET, pending: '', from: at + 1, value: null };
    } else if (code === COMMA) {
      if (level.start === -1 || size(level, at) <= PART) continue;
      parseUntil(level, at, parts, true);
      yield;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      const outer = around.pop();
      if (outer === undefined || level.isArray !== (code === CLOSE_BRACKET)) throw malformed(at);
      if (level.value !== null || size(level, at) > PART) {
        parseUntil(level, at, parts, level.value !== null);
        outer.pending += `${parts.slice(outer.from, level.start)}"${PARSED}${parsed.length}"`;
        outer.from = at + 1;
        parsed.push(level.value);
        yield;
      } else if (level.pending !== '') {
        outer.pending += parts.slice(outer.from, level.start + 1) + level.pending;
        outer.from = level.from;
      }
      level = outer;
    }
  }
  if (around.length > 0) throw malformed(end);
  return parsePart(level, end, parts);
}

/** Whether a string is a value, and no character of it stands for another one: there is nothing to parse. */
function* isValueAsItStands(text: string, open: number, close: number): Pieces<boolean> {
  for (let from = open + 1; from < close; from += LONG) {
    if (TO_PARSE.test(text.slice(from, Math.min(close, from + LONG)))) return false;
    yield;
  }
  return !isKey(text, close + 1);
}

/** Escapes, and what must be one. */
const TO_PARSE = /[\\\u0000-\u001f]/;

/** Whether a string or a number that ends at a position is a key. */
export function isKey(text: string, end: number): boolean {
  let after = end;
  while (WHITESPACE.has(text[after] ?? '')) after++;
  return text[after] === ':';
}

const WHITESPACE = new Set([' ', '\t', '\n', '\r']);

function size({ pending, from }: Level, end: number): number {
  return pending.length + end - from;
}

/** @param isRest of an array or object that a comma has cut: a comma has a value on either side */
function parseUntil(level: Level, end: number, standIn: StandIn, isRest: boolean): void {
  const members = parsePart(level, end, standIn, level.isArray ? '[]' : '{}') as NonNullable<Level['value']>;
  const list = Array.isArray(members) ? members : Object.keys(members);
  if (isRest && list.length === 0) throw malformed(end);
  level.pending = '';
  level.from = end + 1;
  if (level.value === null) level.value = members;
  else if (Array.isArray(level.value)) for (const each of list) level.value.push(each);
  else for (const [key, value] of Object.entries(members)) define(level.value, key, value);
}

/** As the parser does: an assignment to `__proto__` would do something else. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else object[key] = value;
}

function parsePart({ pending, from }: Level, end: number, { slice, valueOf }: StandIn, around = ''): unknown {
  const part = slice(from, end);
  const [open = '', close = ''] = around;
  const value: unknown = JSON.parse(open + pending + part + close);
  return pending === '' && part.length === end - from ? value : filledIn(value, valueOf);
}

/** The same value, with what its texts stand for in their place. */
export function filledIn(value: unknown, valueOf: StandIn['valueOf']): unknown {
  if (typeof value === 'string') return valueOf(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (const [index, each] of value.entries())
      if (typeof each === 'string' || typeof each === 'object') value[index] = filledIn(each, valueOf);
    return value;
  }
  const members = value as Record<string, unknown>;
  for (const key of Object.keys(members)) {
    // A part may be a value only.
    if (key.startsWith(PARSED)) throw malformed(0);
    members[key] = filledIn(members[key], valueOf);
  }
  return value;
}

function malformed(position: number): SyntaxError {
  return new SyntaxError(`Malformed JSON at position ${position}`);
}
