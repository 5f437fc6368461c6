import { scanJson, type JsonBounds, type JsonScan } from '../../../common/json/json-scan.js';
import type { Pieces } from '../../../common/pieces.js';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import { isJson } from './json.js';
import { excessGrowth } from './number-growth.js';
import { isSlowToRead } from './slow-texts.js';

/** Bounds on the values of one change. */
export type ValueBounds = JsonBounds;

/** Characters by which the numbers of one change may grow, beside what {@link excessGrowth} lets pass. */
const MAX_GROWTH = 4096;

/**
 * The column whose value could not be given back to a device: a document deeper than its parser goes, a number that
 * fills pages when PostgreSQL prints it, or what takes minutes to read. null: there is none.
 */
export function* columnOutOfBounds(
  values: readonly (readonly [ContractColumn, unknown])[],
  bounds: ValueBounds,
): Pieces<string | null> {
  let growth = 0;
  for (const [column, value] of values) {
    const scan = typeof value === 'string' ? scanDocument(column, value, bounds) : null;
    if (typeof value === 'string' && scan && isTooDeep(column, value, scan, bounds)) return column.name;
    if (isSlowToRead(column, value)) return column.name;
    growth += yield* excessGrowth(column, value, scan);
    if (growth > MAX_GROWTH) return column.name;
  }
  return null;
}

/**
 * The content of a document or an array that is sent as text; null for other texts. The body's bounds apply to values
 * that are sent as JSON.
 */
function scanDocument(column: ContractColumn, text: string, bounds: JsonBounds): JsonScan | null {
  if (!(column.isArray || DOCUMENTS.has(column.baseType)) || !OPENS.test(text)) return null;
  // Documents within an array are texts within a text.
  return scanJson(isArrayOfDocuments(column) ? text.replaceAll(/["\\]/g, '') : text, bounds);
}

function isTooDeep(column: ContractColumn, text: string, scan: JsonScan, bounds: JsonBounds): boolean {
  if (scan.nesting <= bounds.nesting && scan.values <= bounds.values) return false;
  // Prose may have any number of brackets and commas.
  return isArrayOfDocuments(column) || isJson(text);
}

function isArrayOfDocuments({ baseType, isArray }: ContractColumn): boolean {
  return isArray && DOCUMENTS.has(baseType);
}

const DOCUMENTS: ReadonlySet<string> = new Set(['json', 'jsonb', '_json', '_jsonb']);

/** What doesn't is one value, or none. */
const OPENS = /^\s*[[{]/;
