import { instant } from '../support/instant.js';
import type { Facts } from './history.js';
import { idText } from './world/tables.js';

const TIMES = new Set(['updated_at', 'deleted_at']);

/** A value in a form that is the same for PostgreSQL, an answer and a device that has pushed it itself. */
function canonical(column: string, value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (TIMES.has(column)) return String(instant(value));
  // To the last digit; a device may have it as text.
  if (column === 'id' || column.endsWith('_id')) return idText(value);
  // Its label may be called anew at any time, which changes no row.
  if (column === 'mood' && typeof value === 'string') return value.replace(/_\d+$/, '');
  // What a device has not read back yet is still the text that it pushes.
  if (column === 'data') return sorted(typeof value === 'string' ? JSON.parse(value) : value);
  if (typeof value === 'number' || isLossless(value)) return String(Number(value));
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** How the wire's numbers are kept that JavaScript has none for. */
function isLossless(value: unknown): value is { valueOf(): number | bigint } {
  return typeof value === 'object' && value !== null && 'isLosslessNumber' in value;
}

function sorted(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    if (isLossless(inner)) return Number(inner);
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** The columns, of those given, in which two rows differ, with both values. */
export function differences(columns: readonly string[], a: Facts, b: Facts): readonly string[] {
  return columns
    .map((column) => [column, canonical(column, a[column]), canonical(column, b[column])] as const)
    .filter(([, one, other]) => one !== other)
    .map(([column, one, other]) => `${column}: ${one} | ${other}`);
}

export function same(columns: readonly string[], a: Facts, b: Facts): boolean {
  return differences(columns, a, b).length === 0;
}
