import type { DataSource } from 'typeorm';
import { describeError } from '../common/describe-error.js';
import type { SynchroProblem } from '../common/errors.js';
import { quoteIdentifier } from '../common/identifiers.js';
import type { SqlFunction, SyncTable } from '../registry/sync-table.js';
import { errorCode } from '../database/database-error.js';
import { inTransaction } from '../database/session.js';
import { memberWritesSql, teamsSql } from './host-rows/members-sql.js';
import { functionWritesSql } from './host-rows/write-function-sql.js';

/** Members and functions that PostgreSQL can't ask: every push would fail. It is asked to, about no row. */
export async function writeRuleProblems(
  dataSource: DataSource,
  tables: readonly SyncTable[],
): Promise<readonly SynchroProblem[]> {
  const problems: SynchroProblem[] = [];
  for (const table of tables) {
    for (const check of checksOf(table)) {
      const problem = await problemOf(dataSource, table, check);
      if (problem) problems.push(problem);
    }
  }
  return problems;
}

interface Check {
  readonly option: 'members' | 'writeFunction';
  /** A statement of one parameter, a text. */
  readonly sql: string;
  /** Message and fix by SQLSTATE. */
  readonly message: string;
  readonly fixes: ReadonlyMap<string, string>;
}

function checksOf(table: SyncTable): readonly Check[] {
  const { members, writeFunction, sql } = table;
  const checks: Check[] = [];
  if (members !== null) {
    const column = `t.${quoteIdentifier(members.column)}`;
    const writes = memberWritesSql(members, column, '$1::text');
    checks.push({
      option: 'members',
      sql: `SELECT FROM ${sql} AS t WHERE ${writes} AND ${column}::text IN (${teamsSql(members, '$1::text')}) LIMIT 0`,
      message: `the members of ${sql}.${members.column} can't be looked up in ${members.sql}`,
      fixes: new Map([
        ['42501', `GRANT SELECT ON ${members.sql} TO the role with which the pool connects`],
        ['42883', 'give teamColumn the type of column, and the entity the type that userColumn has'],
        ['42P01', 'run the migration that creates it'],
        ['42703', 'run the migration that adds it, or name another column'],
      ]),
    });
  }
  if (writeFunction !== null) {
    const sides = { held: 'NULL::jsonb', wanted: 'NULL::jsonb' };
    const fix = skeleton(writeFunction);
    checks.push({
      option: 'writeFunction',
      sql: `SELECT WHERE $1::text IS NULL AND ${functionWritesSql(writeFunction, table, sides, '$1::text')}`,
      message: `${writeFunction.text}(text, text, jsonb, jsonb), which says who writes ${sql}, can't be called`,
      fixes: new Map([
        ['42501', `GRANT EXECUTE ON FUNCTION ${writeFunction.text} TO the role with which the pool connects`],
        ...['42883', '3F000', '42804'].map((code) => [code, fix] as const),
      ]),
    });
  }
  return checks;
}

function skeleton({ text }: SqlFunction): string {
  return `CREATE FUNCTION ${text}(table_name text, user_id text, old_row jsonb, new_row jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT … $$;`;
}

async function problemOf(
  dataSource: DataSource,
  { entity }: SyncTable,
  { option, sql, message, fixes }: Check,
): Promise<SynchroProblem | null> {
  try {
    await inTransaction(dataSource, 'read', (manager) => manager.query(sql, ['']));
    return null;
  } catch (error) {
    const code = errorCode(error);
    const fix = fixes.get(code ?? '');
    if (fix === undefined) throw error;
    return {
      code: code === '42501' ? 'permission_missing' : 'configuration_invalid',
      entity,
      option,
      message: `${message}: ${describeError(error)}`,
      fix,
    };
  }
}
