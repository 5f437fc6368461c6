import { atOnce, type Pieces } from '../pieces.js';

/** The structure of a JSON text, found without building any value. */
export interface JsonScan {
  /** Where its first object or array ends; the text's length where none does. */
  readonly end: number;
  /** Levels of arrays and objects. */
  readonly nesting: number;
  /** Objects, arrays and commas: as many as the text has values, about. */
  readonly values: number;
  /** Starts and ends, in turn, of the numbers that JavaScript may print in another way; of the others it never does. */
  readonly unusual: readonly number[];
}

/** Where reading ends: beyond them, {@link JsonScan} says no more than that they are passed. */
export interface JsonBounds {
  readonly nesting: number;
  readonly values: number;
}

const UNBOUNDED: JsonBounds = { nesting: Infinity, values: Infinity };

/**
 * One pass over a text, JSON or not, in time linear in its length: strings are passed over by the native search.
 * @param first ends behind the first object or array
 */
export function scanJson(text: string, bounds = UNBOUNDED, first = false): JsonScan {
  return atOnce(scanning(text, bounds, first));
}

/** {@link scanJson} in pieces. */
export function* scanning(
  text: string,
  { nesting: maxNesting, values: maxValues } = UNBOUNDED,
  first = false,
): Pieces<JsonScan> {
  const unusual: number[] = [];
  let [depth, nesting, values, at, pieceEnd] = [0, 0, 0, 0, PIECE];
  for (; at < text.length; at++) {
    if (at >= pieceEnd) {
      yield;
      pieceEnd = at + PIECE;
    }
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = yield* closingQuote(text, at);
    else if (code === COMMA) values++;
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      values++;
      nesting = Math.max(nesting, ++depth);
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      if (--depth <= 0 && first) return { end: at + 1, nesting, values, unusual };
    } else if (isDigit(code) || (code === MINUS && isDigit(text.charCodeAt(at + 1)))) {
      const start = at;
      const form = readNumber(text, start);
      at = form.end - 1;
      if (!form.isPlain) unusual.push(start, form.end);
    }
    if (nesting > maxNesting || values > maxValues) break;
  }
  return { end: text.length, nesting, values, unusual };
}

/** Characters. */
export const PIECE = 100_000;

const [QUOTE, COMMA, MINUS, POINT, ZERO] = [0x22, 0x2c, 0x2d, 0x2e, 0x30];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];

/** The position of the quote that ends the string that begins at `open`; past the end where there is none. */
export function* closingQuote(text: string, open: number): Pieces<number> {
  let close = text.indexOf('"', open + 1);
  for (let count = 1; close !== -1 && isEscaped(text, close); count++) {
    if (count % ESCAPES === 0) yield;
    close = text.indexOf('"', close + 1);
  }
  return close === -1 ? text.length : close;
}

const ESCAPES = 10_000;

function isEscaped(text: string, position: number): boolean {
  let before = position - 1;
  while (text[before] === '\\') before--;
  return (position - before) % 2 === 0;
}

/** Longer ones may have more digits than a double. */
const PLAIN_LENGTH = 15;

/**
 * Everything from a digit or a minus on up to the next delimiter: parsers refuse other characters behind a number.
 * `isPlain`: JavaScript certainly prints the same text (`12`, `-0.5`; not `0`, `5.0`, `0.05`, `1e3`, which need a
 * closer check).
 */
function readNumber(text: string, start: number): { end: number; isPlain: boolean } {
  let points = 0;
  let hasLetter = false;
  let end = text.charCodeAt(start) === MINUS ? start + 1 : start;
  const [lead, next] = [text.charCodeAt(end), text.charCodeAt(end + 2)];
  for (; end < text.length; end++) {
    const code = text.charCodeAt(end);
    if (code === POINT) points++;
    else if (isLetter(code) || (hasLetter && isSign(code))) hasLetter = true;
    else if (!isDigit(code)) break;
  }
  const last = text.charCodeAt(end - 1);
  const isShort = end - start <= PLAIN_LENGTH && !hasLetter;
  const isInteger = points === 0 && lead !== ZERO;
  const isDecimal =
    points === 1 && last !== ZERO && last !== POINT && (lead !== ZERO || isPlainFraction(text, start, next));
  return { end, isPlain: isShort && (isInteger || isDecimal) };
}

/** `0.5` and `-0.5`, but neither `00.5` nor what may be printed with an exponent. */
function isPlainFraction(text: string, start: number, next: number): boolean {
  const point = text.charCodeAt(start) === MINUS ? start + 2 : start + 1;
  return text.charCodeAt(point) === POINT && next !== ZERO;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isLetter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) || code === 0x5f;
}

function isSign(code: number): boolean {
  return code === MINUS || code === 0x2b;
}
