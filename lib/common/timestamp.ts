/**
 * Timestamps stay text at full precision; where two must be compared they become microseconds since 1970 and
 * the number of fraction digits they were written with. Never a JS Date (it knows milliseconds only).
 */
export interface Timestamp {
  /** Microseconds since 1970-01-01T00:00:00Z; PostgreSQL's infinities are beyond every finite value. */
  readonly micros: bigint;
  /** Fraction digits as written, 0 to 6. */
  readonly digits: number;
}

const PATTERN =
  /^(\d{4,6})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(Z|z|[+-]\d{2}(?::?\d{2}(?::?\d{2})?)?)?( BC)?$/;

/** No time is longer, with all its digits and its zone to the second; a pattern never sees more. */
const MAX_LENGTH = 64;

const INFINITY = 1n << 62n;

/**
 * Reads RFC 3339, PostgreSQL's ISO output and SQLite's `YYYY-MM-DD HH:MM:SS`; without a zone, UTC is meant
 * (hazard W-PUSH-16). Returns null for anything else.
 */
export function parseTimestamp(text: string): Timestamp | null {
  if (text.length > MAX_LENGTH) return null;
  const plain = parsePlain(text);
  if (plain) return plain;
  if (text === 'infinity') return { micros: INFINITY, digits: 6 };
  if (text === '-infinity') return { micros: -INFINITY, digits: 6 };
  const match = PATTERN.exec(text.trim());
  if (!match) return null;
  const [, y = '', mo = '', d = '', h = '0', mi = '0', s = '0', fraction = '', zone = 'Z', bc] = match;
  const year = bc === undefined ? Number(y) : 1 - Number(y);
  const [month, day, hour, minute, second] = [Number(mo), Number(d), Number(h), Number(mi), Number(s)];
  if (hour > 24 || minute > 59 || second > 60) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return null;
  const seconds = BigInt(date.getTime() / 1000 + hour * 3600 + minute * 60 + second - zoneSeconds(zone));
  const micros = fraction.slice(0, 6).padEnd(6, '0');
  return { micros: seconds * 1_000_000n + BigInt(micros), digits: Math.min(fraction.length, 6) };
}

/**
 * An `updated_at` as devices compare it, in microseconds; null when there is none. A time that no SDK can parse
 * (infinity, BC, a year of five digits: hazard W-DATA-7) counts as none, so that any time may follow it.
 */
export function comparableMicros(text: string | null | undefined): bigint | null {
  if (text === null || text === undefined) return null;
  const micros = parseTimestamp(text)?.micros ?? null;
  return micros === null || micros < YEAR_1 || micros >= YEAR_10000 ? null : micros;
}

/**
 * The format of nearly every row and device, parsed several times as fast: a present time in UTC, as PostgreSQL or
 * RFC 3339 writes it, to the second at least. null for any other text, which may still be a time.
 */
function parsePlain(text: string): Timestamp | null {
  const zone = text.endsWith('Z') ? 1 : text.endsWith('+00') ? 3 : 0;
  const end = text.length - zone;
  const digits = Math.max(end - 20, 0);
  if (zone === 0 || digits > 6 || !hasMarks(text, end)) return null;
  const [year, month, day] = [numberAt(text, 0, 4), numberAt(text, 5, 7), numberAt(text, 8, 10)];
  const [hour, minute, second] = [numberAt(text, 11, 13), numberAt(text, 14, 16), numberAt(text, 17, 19)];
  const fraction = digits === 0 ? 0 : numberAt(text, 20, end) * 10 ** (6 - digits);
  const isOnClock = hour < 24 && minute < 60 && second < 60;
  const millis = Date.UTC(year, month - 1, day, hour, minute, second);
  const isOnCalendar = year >= 1970 && month >= 1 && month <= 12 && day >= 1;
  if (!isOnClock || !isOnCalendar || (day > 28 && new Date(millis).getUTCDate() !== day)) return null;
  const micros = millis * 1000 + fraction;
  return Number.isSafeInteger(micros) ? { micros: BigInt(micros), digits } : null;
}

/** Whether what stands between the numbers of a time does. */
function hasMarks(text: string, end: number): boolean {
  const isDate = text[4] === '-' && text[7] === '-' && (text[10] === ' ' || text[10] === 'T');
  return isDate && text[13] === ':' && text[16] === ':' && (end === 19 || (end > 20 && text[19] === '.'));
}

/** The number that some digits are; NaN where others are among them. */
function numberAt(text: string, start: number, end: number): number {
  let number = 0;
  for (let position = start; position < end; position++) {
    const digit = text.charCodeAt(position) - 0x30;
    if (!(digit >= 0 && digit <= 9)) return Number.NaN;
    number = number * 10 + digit;
  }
  return number;
}

const YEAR_1 = -62_135_596_800_000_000n;
const YEAR_10000 = 253_402_300_800_000_000n;

/** Cuts a timestamp to a number of fraction digits, so that it can be compared with one written with those. */
export function truncateMicros(micros: bigint, digits: number): bigint {
  const unit = 10n ** BigInt(6 - digits);
  const rest = ((micros % unit) + unit) % unit;
  return micros - rest;
}

/** Microseconds as RFC 3339 in UTC, trailing zeros trimmed: the form of every envelope timestamp. */
export function formatMicros(micros: bigint): string {
  const millis = Number(truncateMicros(micros, 3) / 1000n);
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(millis).toISOString().slice(0, -5);
  const fraction = rest.toString().padStart(6, '0').replace(/0+$/, '');
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

/** Now, in microseconds (of millisecond precision). */
export function nowMicros(): bigint {
  return BigInt(Date.now()) * 1000n;
}

function zoneSeconds(zone: string): number {
  if (zone === 'Z' || zone === 'z') return 0;
  const digits = zone.slice(1).replaceAll(':', '');
  const [hours, minutes, seconds] = [digits.slice(0, 2), digits.slice(2, 4), digits.slice(4, 6)].map(Number);
  return (zone.startsWith('-') ? -1 : 1) * ((hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0));
}
