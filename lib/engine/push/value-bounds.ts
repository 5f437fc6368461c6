import { scanJson, type JsonBounds } from '../../common/json-scan.js';
import type { ContractColumn } from '../../schema/schema-contract.js';
import { excessGrowth } from './number-growth.js';
import { isSlowToRead } from './slow-texts.js';

/** What the values of one change may hold and grow to. */
export type ValueBounds = JsonBounds;

/** Characters by which the numbers of one change may grow, beside what {@link excessGrowth} lets pass. */
const MAX_GROWTH = 4096;

/**
 * Whether the values that a device sent are such as a device can be given back: no document deeper than its parser
 * goes, no number that fills pages when PostgreSQL writes it out, nothing that it takes minutes to read.
 */
export function isWithinBounds(
  values: readonly (readonly [ContractColumn, unknown])[],
  bounds: ValueBounds,
): boolean {
  let growth = 0;
  for (const [column, value] of values) {
    if (typeof value === 'string' && isTooDeep(column, value, bounds)) return false;
    if (isSlowToRead(column, value)) return false;
    growth += excessGrowth(column, value);
    if (growth > MAX_GROWTH) return false;
  }
  return true;
}

/** Of documents and arrays that are sent as text; what is sent as JSON was bounded with the body. */
function isTooDeep({ baseType, isArray }: ContractColumn, text: string, bounds: JsonBounds): boolean {
  // Documents within an array are texts within a text.
  if (isArray && DOCUMENTS.has(baseType)) return exceeds(text.replaceAll(/["\\]/g, ''), bounds);
  if (!isArray && !DOCUMENTS.has(baseType)) return false;
  return exceeds(text, bounds) && mayBeJson(text);
}

const DOCUMENTS: ReadonlySet<string> = new Set(['json', 'jsonb', '_json', '_jsonb']);

function exceeds(text: string, bounds: JsonBounds): boolean {
  const { nesting, values } = scanJson(text, bounds);
  return nesting > bounds.nesting || values > bounds.values;
}

/** Prose may have any number of brackets and commas. */
function mayBeJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    return !(error instanceof SyntaxError);
  }
}
