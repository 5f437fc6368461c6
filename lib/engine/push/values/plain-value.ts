import { isLosslessNumber, isSafeNumber } from 'lossless-json';

/** A losslessly parsed value with JavaScript's numbers, where those are exact, and texts for the others. */
export function plainValue(value: unknown): unknown {
  if (isLosslessNumber(value)) return isSafeNumber(value.value) ? Number(value.value) : value.value;
  if (Array.isArray(value)) return value.map(plainValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plainValue(member)]));
}
