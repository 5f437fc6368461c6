import { partition } from '../../../common/collections.js';
import type { SqlRunner } from '../../../database/session.js';
import type { SyncTable } from '../../../registry/sync-table.js';
import type { WriteRequest } from '../../../resolvers/write-policy.js';
import type { ContractTable } from '../../../schema/schema-contract.js';
import { wantedTeamSql } from '../../../store/host-rows/members-sql.js';
import { functionWritesSql } from '../../../store/host-rows/write-function-sql.js';

/** Whether the rule in SQL reads the wanted row, and not only the current one. */
export function readsWanted({ members, writeFunction }: SyncTable): boolean {
  return members !== null || writeFunction !== null;
}

/**
 * The requests whose wanted row the rule in SQL allows; `byDefault` has its answer about the current row.
 * @param requests about rows of this table
 */
export async function allowedByRule(
  sql: SqlRunner,
  contract: ContractTable,
  userId: string,
  requests: readonly WriteRequest[],
): Promise<ReadonlySet<WriteRequest>> {
  const { table } = contract;
  const { writeFunction } = table;
  if (writeFunction !== null) {
    const sides = { held: 'k.held::jsonb', wanted: 'k.wanted::jsonb' };
    const rule = functionWritesSql(writeFunction, table, sides, '$3::text');
    return new Set(await allowed(sql, rule, userId, requests, jsonOf));
  }
  const column = contract.columns.find(({ name }) => name === table.members?.column);
  if (!column) return new Set(requests);
  const value = (text: string): string => `k.${text}::${column.sqlType}`;
  const team = (row: WriteRequest['current']): string | null => textOf(row?.[column.name]);
  const [changes, creates] = partition(requests, ({ current }) => current !== null);
  const rule = (held: string | undefined): string =>
    wantedTeamSql(table, { wanted: value('wanted'), held }, '$3::text');
  return new Set([
    ...(await allowed(sql, rule(value('held')), userId, changes, team)),
    ...(await allowed(sql, rule(undefined), userId, creates, team)),
  ]);
}

/** @param rule over k.held and k.wanted, as texts, and $3, the user */
async function allowed(
  sql: SqlRunner,
  rule: string,
  userId: string,
  requests: readonly WriteRequest[],
  sideOf: (row: WriteRequest['current']) => string | null,
): Promise<readonly WriteRequest[]> {
  if (requests.length === 0) return [];
  const rows: { n: number }[] = await sql.query(
    `SELECT (k.n - 1)::integer AS n
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(wanted, held, n)
      WHERE $3::text IS NOT NULL AND ${rule}`,
    [
      // A delete leaves the row as it is.
      requests.map(({ wanted, current }) => sideOf(wanted ?? current)),
      requests.map(({ current }) => sideOf(current)),
      userId,
    ],
  );
  return rows.flatMap(({ n }) => requests[n] ?? []);
}

function jsonOf(row: WriteRequest['current']): string | null {
  return row === null ? null : JSON.stringify(row);
}

/** The text of a team's key, a date or a label, which is a text or a number in JSON; null for anything else. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}
