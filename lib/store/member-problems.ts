import type { DataSource } from 'typeorm';
import { describeError } from '../common/describe-error.js';
import type { SynchroProblem } from '../common/errors.js';
import { quoteIdentifier } from '../common/identifiers.js';
import type { SyncTable } from '../registry/sync-table.js';
import { errorCode } from '../database/database-error.js';
import { inTransaction } from '../database/session.js';
import { memberWritesSql, teamsSql } from './host-rows/members-sql.js';

/** Members that PostgreSQL can't look up: every push and pull would fail. It is asked to, about no row. */
export async function memberProblems(
  dataSource: DataSource,
  tables: readonly SyncTable[],
): Promise<readonly SynchroProblem[]> {
  const problems: SynchroProblem[] = [];
  for (const table of tables) {
    const problem = await memberProblem(dataSource, table);
    if (problem) problems.push(problem);
  }
  return problems;
}

async function memberProblem(
  dataSource: DataSource,
  { sql, entity, members }: SyncTable,
): Promise<SynchroProblem | null> {
  if (members === null) return null;
  const writes = memberWritesSql(members, `t.${quoteIdentifier(members.column)}`, '$1::text');
  const statement = `SELECT FROM ${sql} AS t WHERE ${writes} AND t.${quoteIdentifier(members.column)}::text IN (${teamsSql(members, '$1::text')}) LIMIT 0`;
  try {
    await inTransaction(dataSource, 'read', (manager) => manager.query(statement, ['']));
    return null;
  } catch (error) {
    const code = errorCode(error);
    const fix = REMEDIES.get(code ?? '')?.(members.sql);
    if (fix === undefined) throw error;
    return {
      code: code === '42501' ? 'permission_missing' : 'configuration_invalid',
      entity,
      option: 'members',
      message: `the members of ${sql}.${members.column} can't be looked up in ${members.sql}: ${describeError(error)}`,
      fix,
    };
  }
}

/** Missing privilege, no operator for the two types, no such table, no such column. */
const REMEDIES: ReadonlyMap<string, (relation: string) => string> = new Map<
  string,
  (relation: string) => string
>([
  ['42501', (relation) => `GRANT SELECT ON ${relation} TO the role with which the pool connects`],
  ['42883', () => 'give teamColumn the type of column, and the entity the type that userColumn has'],
  ['42P01', () => 'run the migration that creates it'],
  ['42703', () => 'run the migration that adds it, or name another column'],
]);
