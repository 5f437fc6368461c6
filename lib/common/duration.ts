import ms, { type StringValue } from 'ms';
import { SynchroError } from './errors.js';

/** Milliseconds, or a text such as `'7d'`, `'1h'`, `'90s'` (as package `ms` reads it). */
export type Duration = number | string;

/** The range of an option, both ends included; milliseconds. */
export interface DurationBounds {
  readonly min: number;
  readonly max: number;
}

const HUNDRED_YEARS = 100 * 365.25 * 24 * 3600_000;
/** The server subtracts durations from now, and its time stamps end somewhere. */
const ANY: DurationBounds = { min: 0, max: HUNDRED_YEARS };

/**
 * The milliseconds of a duration, rounded to whole ones.
 * @param option its full name, for the error
 * @param bounds default: 0 to 100 years
 * @throws SynchroError `configuration_invalid` when the value is no duration or out of bounds
 */
export function parseDuration(option: string, value: Duration, bounds: DurationBounds = ANY): number {
  const milliseconds = Math.round(read(value));
  if (milliseconds >= bounds.min && milliseconds <= bounds.max) return milliseconds;
  throw new SynchroError(
    'configuration_invalid',
    Number.isNaN(milliseconds)
      ? `the option ${option} is ${JSON.stringify(value)}, which is not a duration`
      : `the option ${option} is ${JSON.stringify(value)}; it must be ${bounds.min} to ${bounds.max} milliseconds`,
    `give ${option} as milliseconds (a number) or as a text such as '7d', '1h', '90s'.`,
  );
}

/** NaN where there is nothing to read. */
function read(value: unknown): number {
  if (typeof value === 'number') return value;
  // It throws for an empty text, and returns undefined for one that it can't read, though its types don't say so.
  if (typeof value !== 'string' || value === '') return Number.NaN;
  const milliseconds: number | undefined = ms(value as StringValue);
  return milliseconds ?? Number.NaN;
}
