import { ValidateBy } from 'class-validator';
import type { ExactNumber } from '../common/json/lossless-json.js';
import { numberToken } from '../engine/push/values/numbers.js';

const MIN = -(2n ** 63n);
export const MAX_INT64 = 2n ** 63n - 1n;

/** A JSON number that is a signed 64-bit integer, written as one (no fraction, no exponent). */
export function IsInt64(): PropertyDecorator {
  return ValidateBy({ name: 'isInt64', validator: { validate: isInt64 } });
}

/** The value of a number that `IsInt64` let through; 0 when it is absent. */
export function toInt64(value: ExactNumber | null | undefined): bigint {
  return BigInt(numberToken(value) ?? 0);
}

function isInt64(value: unknown): value is ExactNumber {
  const token = numberToken(value);
  if (token === null || !/^-?\d{1,19}$/.test(token)) return false;
  const integer = BigInt(token);
  return integer >= MIN && integer <= MAX_INT64;
}
