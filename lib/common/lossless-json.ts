import { randomUUID } from 'node:crypto';
import { LosslessNumber } from 'lossless-json';

/** Stands for a number while the text is parsed. Nobody knows it, so nobody can send it. */
const NUMBER_KEY = randomUUID();

/**
 * Parses JSON into plain values, and numbers into `LosslessNumber`s that keep their digits; the last of duplicate
 * keys wins. Node's own parser does the work: reading character by character takes a hundred times as long for long
 * strings, and nothing else is served meanwhile.
 * @throws SyntaxError for what is no JSON; RangeError for nesting beyond the stack
 */
export function parseLossless(text: string): unknown {
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const open = text.indexOf('"', at);
    const end = open === -1 ? text.length : open;
    parts.push(text.slice(at, end).replaceAll(NUMBER_LIKE, wrap));
    at = open === -1 ? end : closingQuote(text, open) + 1;
    parts.push(text.slice(end, at));
  }
  return JSON.parse(parts.join(''), unwrap);
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

const NUMBER_LIKE = /-?\d[\w.+-]*/g;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** What is no number stays what it is, for the parser to refuse. */
function wrap(token: string): string {
  return NUMBER.test(token) ? `{"${NUMBER_KEY}":"${token}"}` : token;
}

function unwrap(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !(NUMBER_KEY in value)) return value;
  const { [NUMBER_KEY]: digits } = value as Readonly<Record<string, unknown>>;
  return new LosslessNumber(String(digits));
}
