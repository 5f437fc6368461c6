import type { DataSource } from 'typeorm';
import { errorCode } from '../../database/database-error.js';
import { problemsOf, SynchroError, type SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier, quoteLiteral } from '../../common/identifiers.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { grantsSql, memberTables } from './rls-grants.js';
import { inTransaction } from '../../database/session.js';
import { tablePrivilegeProblems, writePrivileges } from './table-privileges.js';
import { qualify, syncSchema } from '../../database/sync-schema.js';

/** Finds rights that the roles of the pool and of pushes lack. */
export async function roleProblems(
  dataSource: DataSource,
  registry: SyncRegistry,
  pushRole: string | undefined,
): Promise<readonly SynchroProblem[]> {
  return [
    ...(pushRole === undefined
      ? []
      : await problemsOf('SynchroModule', 'pushRole', () => checkPushRole(dataSource, registry, pushRole))),
    ...(await tablePrivilegeProblems(dataSource, registry.all(), pushRole === undefined)),
    ...(await problemsOf('PostgreSQL', 'policies', () => checkReadPolicies(dataSource, registry))),
  ];
}

/**
 * Checks that the pool's role may become the role in which pushes write, and that this one may write. Without its
 * grants every change would be refused, and devices would take their users' edits back.
 * @throws SynchroError with the SQL that fixes it
 */
export async function checkPushRole(
  dataSource: DataSource,
  registry: SyncRegistry,
  role: string,
): Promise<void> {
  const [session] = await query<{ user: string }>(dataSource, 'SELECT session_user AS user');
  const membership = `GRANT ${quoteIdentifier(role)} TO ${quoteIdentifier(session?.user ?? '')};`;
  try {
    await inTransaction(dataSource, 'read', (manager) =>
      manager.query(`SET LOCAL ROLE ${quoteIdentifier(role)}`),
    );
  } catch (error) {
    const code = errorCode(error);
    const options = { cause: error };
    if (code === '22023') {
      const fix = `CREATE ROLE ${quoteIdentifier(role)} NOLOGIN; ${membership} Then run the statements of synchroRlsSql(dataSource, { role: ${quoteLiteral(role)} }).`;
      throw new SynchroError('configuration_invalid', `pushRole: there is no role ${role}`, fix, options);
    }
    if (code !== '42501') throw error;
    const message = `pushRole: ${session?.user} may not become ${role}`;
    throw new SynchroError('permission_missing', message, membership, options);
  }
  await checkGrants(dataSource, registry, role);
}

/**
 * Checks that some policy lets the pool's role read each synced table that row-level security keeps from it. Without
 * one, pulls and snapshots would leave the rows out without a word.
 * @throws SynchroError `configuration_invalid`
 */
export async function checkReadPolicies(dataSource: DataSource, registry: SyncRegistry): Promise<void> {
  const [denied] = await query<{ relation: string; role: string }>(
    dataSource,
    `SELECT t.relation, current_user AS role FROM unnest($1::text[]) AS t (relation)
      WHERE row_security_active(t.relation) AND NOT EXISTS (
        SELECT FROM pg_policy p WHERE p.polrelid = t.relation::regclass AND p.polpermissive AND p.polcmd IN ('r', '*')
           AND EXISTS (SELECT FROM unnest(p.polroles) AS r (id) WHERE r.id = 0 OR pg_has_role(r.id, 'USAGE')))`,
    [registry.all().map(({ sql }) => sql)],
  );
  if (!denied) return;
  throw new SynchroError(
    'configuration_invalid',
    `row-level security keeps every row of ${denied.relation} from role ${denied.role}: no policy lets it read them`,
    `run the statements of synchroRlsSql(dataSource, { role: ${quoteLiteral(denied.role)} }).`,
  );
}

async function checkGrants(dataSource: DataSource, registry: SyncRegistry, role: string): Promise<void> {
  const tables = registry.all();
  const parents = tables.filter(({ name }) => registry.children(name).length > 0);
  const schema = syncSchema(dataSource);
  const needed = [
    ...tables.flatMap((table) => privilegesOn(table, parents).map((privilege) => [table.sql, privilege])),
    ...memberTables(tables).map((relation) => [relation, 'SELECT']),
    [qualify(':sync.sync_bucket_edges', schema), 'SELECT'],
  ];
  const missing = await query<{ relation: string; privilege: string }>(
    dataSource,
    `SELECT n.relation, n.privilege FROM unnest($2::text[], $3::text[]) AS n (relation, privilege)
       JOIN pg_class c ON c.oid = n.relation::regclass
      WHERE NOT CASE WHEN n.privilege = 'DELETE' THEN has_table_privilege($1, c.oid, n.privilege)
                     ELSE has_any_column_privilege($1, c.oid, n.privilege) END
         OR NOT has_schema_privilege($1, c.relnamespace, 'USAGE')`,
    [role, needed.map(([relation]) => relation), needed.map(([, privilege]) => privilege)],
  );
  const [first] = missing;
  if (!first) return;
  throw new SynchroError(
    'permission_missing',
    `pushRole: role ${role} may not ${first.privilege} on ${first.relation}`,
    qualify(`${grantsSql(tables, parents, role).join(';\n    ')};`, schema),
  );
}

function privilegesOn(table: SyncTable, parents: readonly SyncTable[]): readonly string[] {
  if (table.pushPolicy === 'owner_only') return writePrivileges(table);
  // The rows of a parent are locked for their children's sake.
  return parents.includes(table) ? ['SELECT', 'UPDATE'] : ['SELECT'];
}

async function query<Row>(
  dataSource: DataSource,
  sql: string,
  parameters: unknown[] = [],
): Promise<readonly Row[]> {
  return inTransaction(dataSource, 'read', (manager) => manager.query(sql, parameters));
}
