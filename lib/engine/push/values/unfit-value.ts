import { columnJson } from './client-values.js';
import { isUnchanged } from '../unchanged.js';
import type { Write } from '../writing/judge.js';
import { parseRow } from './writable-columns.js';

/** The column that an integer is beyond of: it fails without a query, however many there are. null: there is none. */
export function unfitColumn({ item, columns, row }: Write): string | null {
  const stored = row && parseRow(row);
  const unfit = columns.find((column) => {
    const most = MOST.get(column.baseType);
    const value = item.data?.get(column.name);
    if (most === undefined || column.isArray || value === null || value === undefined) return false;
    if (stored !== undefined && isUnchanged(column, value, stored[column.name])) return false;
    const token = columnJson(column, value).replaceAll('"', '');
    if (!/^-?\d+$/.test(token)) return false;
    // No integer type has more digits.
    if (token.length > 20) return true;
    const integer = BigInt(token);
    return integer > most || integer < -most - 1n;
  });
  return unfit?.name ?? null;
}

const MOST: ReadonlyMap<string, bigint> = new Map([
  ['int2', 32_767n],
  ['int4', 2_147_483_647n],
  ['int8', 9_223_372_036_854_775_807n],
]);
