import { SynchroError, type SynchroErrorCode } from '../common/errors.js';
import type { SyncTable } from '../registry/sync-table.js';

/** Something about the database that keeps a table from being synced. */
export interface SchemaProblem {
  readonly code: SynchroErrorCode;
  readonly message: string;
  readonly remedy: string;
}

/** One error for everything that was found, so that a boot shows all there is to mend. */
export function schemaError(problems: readonly SchemaProblem[]): SynchroError {
  const [first, ...others] = problems;
  if (first && others.length === 0) return new SynchroError(first.code, first.message, first.remedy);
  const code =
    first && others.every((other) => other.code === first.code) ? first.code : 'schema_unsupported';
  const list = problems.map(({ message, remedy }) => `\n- ${message}\n  To mend it: ${remedy}`);
  return new SynchroError(
    code,
    `${problems.length} things keep the tables from being synced:${list.join('')}`,
  );
}

/** Whether clients may push into a table at all. */
export function isPushable(table: SyncTable): boolean {
  return table.pushPolicy !== 'disabled';
}
