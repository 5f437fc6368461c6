import type { DataSource } from 'typeorm';
import type { SynchroProblem } from '../common/errors.js';
import { quoteIdentifier } from '../common/identifiers.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import type { SyncTable } from '../registry/sync-table.js';

/** What the DataSource's role may not do in the tables that it syncs, and in the sync tables. */
export async function privilegeProblems(
  dataSource: DataSource,
  registry: SyncRegistry,
): Promise<readonly SynchroProblem[]> {
  const needed = registry
    .all()
    .flatMap((table) => privilegesOn(table).map((privilege) => ({ table, privilege })));
  const missing: { readonly n: number; readonly role: string }[] = await dataSource.query(
    `SELECT (w.n - 1)::integer AS n, current_user::text AS role
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w (relation, privilege, n)
      WHERE NOT has_any_column_privilege(w.relation, w.privilege)
      ORDER BY w.n`,
    [needed.map(({ table }) => table.sql), needed.map(({ privilege }) => privilege)],
  );
  return missing.flatMap(({ n, role }) => {
    const lacking = needed[n];
    if (!lacking) return [];
    const { table, privilege } = lacking;
    return [
      {
        code: 'permission_missing',
        entity: table.entity,
        option: privilege,
        message: `role ${role} has no ${privilege} on ${table.sql}`,
        remedy: `GRANT ${privilege} ON ${table.sql} TO ${quoteIdentifier(role)};`,
      },
    ];
  });
}

function privilegesOn({ pushPolicy }: SyncTable): readonly string[] {
  return pushPolicy === 'disabled' ? ['SELECT'] : ['SELECT', 'INSERT', 'UPDATE'];
}
