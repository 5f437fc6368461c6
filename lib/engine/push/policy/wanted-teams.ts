import { partition } from '../../../common/collections.js';
import type { SqlRunner } from '../../../database/session.js';
import type { WriteRequest } from '../../../resolvers/write-policy.js';
import type { ContractTable } from '../../../schema/schema-contract.js';
import { wantedTeamSql } from '../../../store/host-rows/members-sql.js';

/**
 * The requests that put a row where the members' rule lets its user put it. The rows' own side of that rule is in
 * `byDefault` already.
 */
export async function withinTeams(
  sql: SqlRunner,
  contract: ContractTable,
  userId: string,
  requests: readonly WriteRequest[],
): Promise<ReadonlySet<WriteRequest>> {
  const { table, columns } = contract;
  const column = columns.find(({ name }) => name === table.members?.column);
  if (!column) return new Set(requests);
  const [changes, creates] = partition(requests, ({ current }) => current !== null);
  const value = (text: string): string => `k.${text}::${column.sqlType}`;
  const allowed = async (
    asked: readonly WriteRequest[],
    held: string | undefined,
  ): Promise<readonly WriteRequest[]> => {
    if (asked.length === 0) return [];
    const rule = wantedTeamSql(table, { wanted: value('wanted'), held }, '$3::text');
    const rows: { n: number }[] = await sql.query(
      `SELECT (k.n - 1)::integer AS n
         FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS k(wanted, held, n)
        WHERE $3::text IS NOT NULL AND ${rule}`,
      [
        asked.map(({ wanted, current }) => textOf((wanted ?? current)?.[column.name])),
        asked.map(({ current }) => textOf(current?.[column.name])),
        userId,
      ],
    );
    return rows.flatMap(({ n }) => asked[n] ?? []);
  };
  return new Set([...(await allowed(changes, value('held'))), ...(await allowed(creates, undefined))]);
}

/** Of a type that keys have, or a date or label: a text or a number. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}
