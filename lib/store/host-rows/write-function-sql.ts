import { quoteLiteral, quoteQualifiedName } from '../../common/identifiers.js';
import type { SqlFunction, SyncTable } from '../../registry/sync-table.js';

/** Both sides of a change, as `jsonb` expressions; SQL's null before a create. */
export interface Sides {
  readonly held: string;
  readonly wanted: string;
}

/**
 * A boolean SQL expression: may this user write the row, by the host's function? What it answers null about is refused.
 * @param user a text expression of the canonical user id, e.g. `$2::text`
 */
export function functionWritesSql(
  writeFunction: SqlFunction,
  { name }: SyncTable,
  { held, wanted }: Sides,
  user: string,
): string {
  const call = `${quoteQualifiedName(writeFunction)}(${quoteLiteral(name)}, ${user}, ${held}, ${wanted})`;
  return `coalesce(${call}, false)`;
}

/** The row of an alias, as `jsonb`. A column of the same name is not meant. */
export function rowJsonb(alias: string): string {
  return `to_jsonb(${alias}.*)`;
}
