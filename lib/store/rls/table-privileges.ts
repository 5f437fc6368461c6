import type { DataSource } from 'typeorm';
import { ownQuery } from '../../database/query-log/own-query.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SynchroProblem } from '../../common/errors.js';
import type { SyncTable } from '../../registry/sync-table.js';

/**
 * Finds missing rights of the pool's role on the synced tables: without SELECT every pull would fail, and without
 * INSERT, UPDATE and perhaps DELETE every change would be refused for good, so that devices took back what was typed
 * (hazard W-HOST-25). Columns may be granted one by one.
 * @param writes whether pushes are written by this role, too
 */
export async function tablePrivilegeProblems(
  dataSource: DataSource,
  tables: readonly SyncTable[],
  writes: boolean,
): Promise<readonly SynchroProblem[]> {
  const needed = tables.flatMap((table) =>
    (writes && table.pushPolicy !== 'disabled' ? writePrivileges(table) : READ).map((privilege) => ({
      table,
      privilege,
    })),
  );
  const missing = await ownQuery<{ n: number; role: string; schema_missing: boolean }>(
    dataSource,
    `SELECT (w.n - 1)::integer AS n, current_user AS role,
            NOT has_schema_privilege(c.relnamespace, 'USAGE') AS schema_missing
       FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS w (schema, name, privilege, n)
       JOIN pg_catalog.pg_namespace s ON s.nspname = w.schema
       JOIN pg_catalog.pg_class c ON c.relnamespace = s.oid AND c.relname = w.name
      WHERE NOT CASE WHEN w.privilege = 'DELETE' THEN has_table_privilege(c.oid, w.privilege)
                     ELSE has_any_column_privilege(c.oid, w.privilege) END OR NOT has_schema_privilege(c.relnamespace, 'USAGE')
      ORDER BY w.n`,
    [
      needed.map(({ table }) => table.schema),
      needed.map(({ table }) => table.name),
      needed.map((each) => each.privilege),
    ],
  );
  return missing.flatMap(({ n, role, schema_missing: schemaMissing }) => {
    const found = needed[n];
    if (!found) return [];
    const { table, privilege } = found;
    const grantee = quoteIdentifier(role);
    return {
      code: 'permission_missing',
      entity: table.entity,
      option: privilege,
      message: `role ${role}, with which the pool connects, may not ${privilege} on ${table.sql}`,
      fix: schemaMissing
        ? `GRANT USAGE ON SCHEMA ${quoteIdentifier(table.schema)} TO ${grantee};`
        : `GRANT ${privilege} ON ${table.sql} TO ${grantee};`,
    };
  });
}

const READ = ['SELECT'] as const;

/** The commands that pushes run on a table. */
export function writePrivileges({ deletedAtColumn }: SyncTable): readonly string[] {
  return ['SELECT', 'INSERT', 'UPDATE', ...(deletedAtColumn === null ? ['DELETE'] : [])];
}
