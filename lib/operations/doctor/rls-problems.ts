import type { DataSource } from 'typeorm';
import { ownQuery } from '../../database/query-log/own-query.js';
import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';

interface Bypass {
  readonly n: number;
  readonly role: string;
  readonly isSuperuser: boolean;
  readonly bypasses: boolean;
}

/**
 * Tables whose policies don't bind the role that writes for devices. Sync checks ownership by itself, but a host that
 * makes policies relies on them.
 *
 * @param pushRole the role in which pushes write. Default: the DataSource's own
 */
export async function rlsProblems(
  dataSource: DataSource,
  tables: readonly SyncTable[],
  pushRole: string | undefined,
): Promise<readonly SynchroProblem[]> {
  const found = await ownQuery<Bypass>(
    dataSource,
    `SELECT (w.n - 1)::integer AS n, r.rolname::text AS role, r.rolsuper AS "isSuperuser", r.rolbypassrls AS bypasses
       FROM unnest($1::text[]) WITH ORDINALITY AS w (relation, n)
       JOIN pg_class c ON c.oid = w.relation::regclass
       JOIN pg_roles r ON r.rolname = coalesce($2, current_user)
      WHERE c.relrowsecurity
        AND (r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity)
      ORDER BY w.n`,
    [tables.map(({ sql }) => sql), pushRole ?? null],
  );
  return found.flatMap((bypass) => {
    const table = tables[bypass.n];
    return table ? [problem(table, bypass)] : [];
  });
}

function problem({ entity, sql }: SyncTable, { role, isSuperuser, bypasses }: Bypass): SynchroProblem {
  const name = quoteIdentifier(role);
  const why = isSuperuser ? 'is a superuser' : bypasses ? 'has BYPASSRLS' : 'owns the table';
  const pushRole = 'or let pushes write in a role of their own: pushRole in SynchroModule.forRoot()';
  return {
    code: 'rls_bypassed',
    entity,
    option: 'row-level security',
    message: `the policies of ${sql} don't bind role ${role}, in which pushes write: it ${why}`,
    fix: isSuperuser
      ? `let the DataSource connect as a role that is no superuser, ${pushRole}`
      : bypasses
        ? `ALTER ROLE ${name} NOBYPASSRLS; ${pushRole}`
        : `ALTER TABLE ${sql} FORCE ROW LEVEL SECURITY; ${pushRole}`,
  };
}
