import type { Replica } from '../engine/replica.js';
import { canonicalId } from '../records/ids.js';
import type { Row } from '../records/record.js';

/** The record's id, and the other columns. */
export function withId(
  replica: Replica,
  name: string,
  values: Row,
): { readonly id: string; readonly rest: Row } {
  const table = replica.table(name);
  const { [table.key]: given, ...rest } = values;
  if (given === undefined) return { id: crypto.randomUUID(), rest };
  return { id: canonicalId(table, typeof given === 'string' ? given : JSON.stringify(given)), rest };
}
