/** Begins the text of a number that a double would change; made anew in each process, so that no row can hold it. */
const MARK = `${crypto.randomUUID()}:`;

/**
 * Parses JSON, and keeps the digits of numbers that a double would not write the same way (`5.00`, 64-bit integers):
 * see {@link exactDigits}. Skips from quote to quote, as most of an answer is text.
 */
export function parseExact(text: string): unknown {
  let marked = '';
  let copied = 0;
  let position = 0;
  for (;;) {
    const quote = text.indexOf('"', position);
    const end = quote < 0 ? text.length : quote;
    // No number that a double changes is shorter than three characters.
    if (end - position > 3) {
      for (const { 0: token, index } of text.slice(position, end).matchAll(NUMBER)) {
        if (String(Number(token)) === token) continue;
        marked += `${text.slice(copied, position + index)}"${MARK}${token}"`;
        copied = position + index + token.length;
      }
    }
    if (quote < 0) break;
    position = endOfString(text, quote + 1);
  }
  return JSON.parse(copied === 0 ? text : marked + text.slice(copied)) as unknown;
}

const NUMBER = /-?\d[\d.eE+-]*/g;

function endOfString(text: string, start: number): number {
  for (let from = start; ;) {
    const quote = text.indexOf('"', from);
    // An unfinished text: JSON.parse says what is wrong with it.
    if (quote < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(quote - 1 - escapes) === BACKSLASH) escapes += 1;
    from = quote + 1;
    if (escapes % 2 === 0) return from;
  }
}

const BACKSLASH = 0x5c;

/** The digits of a number as {@link parseExact} gave it; undefined for anything that is no number. */
export function exactDigits(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value.startsWith(MARK) ? value.slice(MARK.length) : undefined;
}

/** A value of {@link parseExact} with plain numbers, at any depth. */
export function plainNumbers(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value;
  if (Array.isArray(value)) return value.map(plainNumbers);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainNumbers(inner)]));
}
