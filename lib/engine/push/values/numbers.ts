import { isLosslessNumber } from 'lossless-json';

/** A decimal number: ±`digits` × 10^`exponent`, without zeros at either end of `digits`. Zero is `0` × 10^0. */
interface Decimal {
  readonly negative: boolean;
  readonly digits: string;
  readonly exponent: number;
}

/** The text of a JSON number; null for any other value. */
export function numberToken(value: unknown): string | null {
  if (isLosslessNumber(value)) return value.value;
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : null;
}

/** The same text for all spellings of one number (`5`, `5.0`, `0.5e1`); null for what is no finite number. */
export function canonicalDecimal(text: string): string | null {
  const decimal = parse(text);
  return decimal && `${decimal.negative ? '-' : ''}${decimal.digits}e${decimal.exponent}`;
}

/** An integer as plain digits, however it is spelled; null for what has a fraction or far too many digits. */
export function integerText(text: string): string | null {
  const decimal = parse(text);
  if (decimal === null || decimal.exponent < 0 || decimal.digits.length + decimal.exponent > 20) return null;
  return `${decimal.negative ? '-' : ''}${decimal.digits}${'0'.repeat(decimal.exponent)}`;
}

/** Whether a number is written as a 64-bit integer, which devices hold exactly; `5.0` is a double to them. */
export function isInt64(text: string): boolean {
  return /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
}

/** Whether a number has no more digits than a double's shortest text: it may be one that a device rounded. */
export function mayBeDouble(text: string): boolean {
  return (parse(text)?.digits.length ?? Infinity) <= 17;
}

function parse(text: string): Decimal | null {
  const match = DECIMAL.exec(text.trim());
  if (!match) return null;
  const [, sign = '', whole = '', fraction = '', power = '0'] = match;
  const all = whole + fraction;
  const [start, end] = [leadingZeros(all), withoutTrailing(all, '0')];
  if (start >= end) return { negative: false, digits: '0', exponent: 0 };
  return {
    negative: sign === '-',
    digits: all.slice(start, end),
    exponent: Number(power) - fraction.length + (all.length - end),
  };
}

/** Each character can be taken in one way only, so that the time is linear. */
const DECIMAL = /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,9}))?$/;

function leadingZeros(digits: string): number {
  let start = 0;
  while (digits[start] === '0') start++;
  return start;
}

/**
 * Where a text ends without the characters that it may end with. `/0+$/` would begin at each of the zeros within, and
 * take a time that grows with the square of the length.
 */
export function withoutTrailing(text: string, character: string): number {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end--;
  return end;
}
