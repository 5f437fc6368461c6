import { ValidateBy } from 'class-validator';
import { LosslessNumber } from 'lossless-json';

const MIN = -(2n ** 63n);
const MAX = 2n ** 63n - 1n;

/** A JSON number that is a signed 64-bit integer, written as one (no fraction, no exponent). */
export function IsInt64(): PropertyDecorator {
  return ValidateBy({ name: 'isInt64', validator: { validate: isInt64 } });
}

/** The value of a number that `IsInt64` let through; 0 when it is absent. */
export function toInt64(value: LosslessNumber | null | undefined): bigint {
  return BigInt(value?.value ?? 0);
}

function isInt64(value: unknown): value is LosslessNumber {
  if (!(value instanceof LosslessNumber) || !/^-?\d{1,19}$/.test(value.value)) return false;
  const integer = BigInt(value.value);
  return integer >= MIN && integer <= MAX;
}
