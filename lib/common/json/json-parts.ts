import { randomBytes } from 'node:crypto';
import { closingQuote, PIECE } from './json-scan.js';
import type { Pieces } from '../pieces.js';

/**
 * Characters that the native parser gets in one piece: about a millisecond, even where every second one is a value.
 */
const PART = 32_000;

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

/**
 * `JSON.parse` in pieces, for texts of any size: long arrays and objects are cut at their commas, and what is parsed
 * stands as a name in what is around it. A long string is one piece.
 * @throws SyntaxError as `JSON.parse` does
 */
export function* parsingParts(text: string): Pieces<unknown> {
  if (text.length <= PART) return JSON.parse(text);
  const parsed: unknown[] = [];
  let level: Level = { start: -1, isArray: true, pending: '', from: 0, value: null };
  const around: Level[] = [];
  for (let [at, pieceEnd] = [0, PIECE]; at < text.length; at++) {
    if (at >= pieceEnd) {
      yield;
      pieceEnd = at + PIECE;
    }
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const close = text.indexOf('"', at + 1);
      at = text.charCodeAt(close - 1) === BACKSLASH ? yield* closingQuote(text, at) : close;
      if (at === -1) break;
    } else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      around.push(level);
      level = { start: at, isArray: code === OPEN_BRACKET, pending: '', from: at + 1, value: null };
    } else if (code === COMMA) {
      if (level.start === -1 || size(level, at) <= PART) continue;
      parseUntil(level, at, text, parsed, true);
      yield;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      const outer = around.pop();
      if (outer === undefined || level.isArray !== (code === CLOSE_BRACKET)) throw malformed(at);
      if (level.value !== null || size(level, at) > PART) {
        parseUntil(level, at, text, parsed, level.value !== null);
        outer.pending += `${text.slice(outer.from, level.start)}"${PARSED}${parsed.length}"`;
        outer.from = at + 1;
        parsed.push(level.value);
        yield;
      } else if (level.pending !== '') {
        outer.pending += text.slice(outer.from, level.start + 1) + level.pending;
        outer.from = level.from;
      }
      level = outer;
    }
  }
  if (around.length > 0) throw malformed(text.length);
  return filledIn(JSON.parse(level.pending + text.slice(level.from)), parsed);
}

function size({ pending, from }: Level, end: number): number {
  return pending.length + end - from;
}

/** @param isRest of an array or object that a comma has cut: a comma has a value on either side */
function parseUntil(
  level: Level,
  end: number,
  text: string,
  parsed: readonly unknown[],
  isRest: boolean,
): void {
  const { pending, from, isArray } = level;
  const members = pending + text.slice(from, end);
  const value: unknown = JSON.parse(isArray ? `[${members}]` : `{${members}}`);
  const filled = pending === '' ? value : filledIn(value, parsed);
  const keys = Object.keys(filled as object);
  if (isRest && keys.length === 0) throw malformed(end);
  level.pending = '';
  level.from = end + 1;
  if (level.value === null) level.value = filled as NonNullable<Level['value']>;
  else if (Array.isArray(level.value)) for (const each of filled as unknown[]) level.value.push(each);
  else for (const key of keys) define(level.value, key, (filled as Record<string, unknown>)[key]);
}

/** As the parser does: an assignment to `__proto__` would do something else. */
function define(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  else object[key] = value;
}

/** The same value, with what was parsed before in the place of its names. */
function filledIn(value: unknown, parsed: readonly unknown[]): unknown {
  if (typeof value === 'string')
    return value.startsWith(PARSED) ? parsed[Number(value.slice(PARSED.length))] : value;
  if (typeof value !== 'object' || value === null) return value;
  const members = value as Record<string, unknown>;
  for (const key of Object.keys(members)) {
    // A part may be a value only.
    if (key.startsWith(PARSED)) throw malformed(0);
    const member = members[key];
    if (typeof member === 'string' || typeof member === 'object') members[key] = filledIn(member, parsed);
  }
  return value;
}

function malformed(position: number): SyntaxError {
  return new SyntaxError(`Malformed JSON at position ${position}`);
}
