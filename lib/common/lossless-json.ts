import { randomUUID } from 'node:crypto';
import { LosslessNumber } from 'lossless-json';

/** A number as {@link parseLossless} gives it: JavaScript's own where that prints the same digits. */
export type ExactNumber = number | LosslessNumber;

/** Stands for a number while the text is parsed. Nobody knows it, so nobody can send it. */
const NUMBER_KEY = randomUUID();

/** Of what goes deeper, the native parser itself is asked whether it is too deep for the stack. */
const SHALLOW = 100;

/**
 * Parses JSON into plain values. Numbers that JavaScript would print in another way (`5.00`, those beyond 2⁵³) become
 * `LosslessNumber`s that keep their digits; the last of duplicate keys wins. Node's own parser does the work: reading
 * character by character takes a hundred times as long for long strings, and nothing else is served meanwhile.
 * @throws SyntaxError for what is no JSON; RangeError for nesting beyond the stack
 */
export function parseLossless(text: string): unknown {
  const parts: string[] = [];
  let copied = 0;
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at) ?? 0;
    if (code === 0x22) {
      at = closingQuote(text, at);
    } else if (isDigit(code) || (code === 0x2d && isDigit(text.codePointAt(at + 1)))) {
      const end = tokenEnd(text, at);
      const token = text.slice(at, end);
      if (!isExact(token)) {
        parts.push(text.slice(copied, at), wrap(token));
        copied = end;
      }
      at = end - 1;
    } else if (code === 0x7b || code === 0x5b) {
      deepest = Math.max(deepest, ++depth);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
  const safe = copied === 0 ? text : parts.join('') + text.slice(copied);
  if (deepest > SHALLOW) return JSON.parse(safe, (_key, value) => unwrap(value));
  return copied === 0 ? JSON.parse(safe) : unwrapAll(JSON.parse(safe));
}

/** The position of the quote that ends the string that begins at `open`; past the end where there is none. */
export function closingQuote(text: string, open: number): number {
  let close = text.indexOf('"', open + 1);
  while (close !== -1 && isEscaped(text, close)) close = text.indexOf('"', close + 1);
  return close === -1 ? text.length : close;
}

function isEscaped(text: string, position: number): boolean {
  let before = position - 1;
  while (text[before] === '\\') before--;
  return (position - before) % 2 === 0;
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= 0x30 && code <= 0x39;
}

/** Whatever is written in one piece: the parser refuses what goes on after a number. */
function tokenEnd(text: string, start: number): number {
  TOKEN.lastIndex = start;
  TOKEN.test(text);
  return TOKEN.lastIndex;
}

const TOKEN = /-?\d[\w.+-]*/y;

/** Whether JavaScript's number has the same digits, spelled in the same way. */
function isExact(token: string): boolean {
  return String(Number(token)) === token;
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** What is no number stays what it is, for the parser to refuse. */
function wrap(token: string): string {
  return NUMBER.test(token) ? `{"${NUMBER_KEY}":"${token}"}` : token;
}

function unwrap(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(NUMBER_KEY in value)) return value;
  const { [NUMBER_KEY]: digits } = value as Readonly<Record<string, unknown>>;
  return new LosslessNumber(String(digits));
}

/** In place. A reviver would do the same, and take several times as long. */
function unwrapAll(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const unwrapped = unwrap(value);
  if (unwrapped !== value) return unwrapped;
  const members = value as Record<string, unknown>;
  for (const key of Object.keys(members)) {
    const member = members[key];
    if (typeof member === 'object' && member !== null) members[key] = unwrapAll(member);
  }
  return value;
}
