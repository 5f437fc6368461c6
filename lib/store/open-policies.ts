import type { DataSource } from 'typeorm';
import { ownQuery } from '../database/query-log/own-query.js';
import type { SynchroProblem } from '../common/errors.js';
import type { SyncTable } from '../registry/sync-table.js';

/**
 * Tables that a policy of `synchroRlsSql` lets everyone read, as their entities say nothing about their readers.
 * Where a resolver of the host's does, the second wall has a hole there.
 *
 * @param resolver the name of its class
 */
export async function openPolicyWarnings(
  dataSource: DataSource,
  tables: readonly SyncTable[],
  resolver: string,
): Promise<readonly SynchroProblem[]> {
  const found = await ownQuery<{ readonly n: number }>(
    dataSource,
    `SELECT (w.n - 1)::integer AS n
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (relation, policy, n)
       JOIN pg_class c ON c.oid = w.relation::regclass AND c.relrowsecurity
       JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = w.policy
      WHERE pg_get_expr(p.polqual, p.polrelid) = 'true' ORDER BY w.n`,
    [tables.map(({ sql }) => sql), tables.map(({ name }) => `sync_read_${name}`)],
  );
  return found.flatMap(({ n }) => {
    const table = tables[n];
    if (!table) return [];
    return {
      code: 'configuration_invalid',
      entity: table.entity,
      option: 'row-level security',
      message: `the policy sync_read_${table.name} lets everyone read ${table.sql}, though ${resolver} decides its readers`,
      fix: 'run the statements of synchroRlsSql(dataSource, { ownershipResolver: true })',
    } as const;
  });
}
