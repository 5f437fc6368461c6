import type { Row } from './record.js';

/** Whether two values of rows are equal; the order of an object's keys does not count. */
export function sameValue(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const [first, second] = [left as Row, right as Row];
  const keys = Object.keys(first);
  return (
    keys.length === Object.keys(second).length &&
    keys.every((key) => Object.hasOwn(second, key) && sameValue(first[key], second[key]))
  );
}

/** The part of `patch` that `row` does not have already. */
export function without(patch: Row, row: Row): Row {
  return Object.fromEntries(Object.entries(patch).filter(([key, value]) => !sameValue(value, row[key])));
}
