import type { ClientBase } from 'pg';
import { SynchroError } from '../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../common/identifiers.js';
import type { TrackedTables } from './tracked-tables.js';

/**
 * Checks what replication needs of the server, the role and the tables.
 * @throws SynchroError naming what is missing, with the setting or SQL that mends it
 */
export async function checkReplicationSetup(client: ClientBase, tracked: TrackedTables): Promise<void> {
  await checkServer(client);
  await checkRole(client);
  await checkRowSecurity(client, tracked);
  await checkReplicaIdentities(client, tracked);
}

async function checkServer(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ wal_level: string }>('SHOW wal_level');
  if (rows[0]?.wal_level === 'logical') return;
  throw new SynchroError(
    'wal_level_not_logical',
    `the server's wal_level is ${rows[0]?.wal_level ?? 'unknown'}, so changes can't be decoded`,
    `ALTER SYSTEM SET wal_level = 'logical'; then restart PostgreSQL.`,
  );
}

async function checkRole(client: ClientBase): Promise<void> {
  const { rows } = await client.query<{ role: string; allowed: boolean }>(
    `SELECT rolname AS role, rolreplication OR rolsuper AS allowed FROM pg_roles WHERE rolname = current_user`,
  );
  const [row] = rows;
  if (!row || row.allowed) return;
  throw new SynchroError(
    'permission_missing',
    `role ${row.role} may not replicate`,
    `ALTER ROLE ${quoteIdentifier(row.role)} REPLICATION;`,
  );
}

/** The consumer works for all users at once: rows that a policy hides from it would get no edges (W-WAL-7). */
async function checkRowSecurity(client: ClientBase, tracked: TrackedTables): Promise<void> {
  const relations = tracked.relations().map(({ schema, relation }) => quoteRelation(schema, relation));
  const { rows } = await client.query<{ role: string; relation: string; forced: boolean }>(
    `SELECT current_user AS role, c.oid::regclass::text AS relation,
            pg_has_role(c.relowner, 'USAGE') AND c.relforcerowsecurity AS forced
       FROM unnest($1::text[]) AS wanted (name) JOIN pg_class c ON c.oid = to_regclass(wanted.name)
      WHERE row_security_active(c.oid)`,
    [relations],
  );
  const [row] = rows;
  if (!row) return;
  const alternative = row.forced
    ? `ALTER TABLE ${row.relation} NO FORCE ROW LEVEL SECURITY;`
    : "give replication.connection the tables' owner.";
  throw new SynchroError(
    'permission_missing',
    `row-level security hides rows of ${row.relation} from role ${row.role}, with which the WAL consumer connects`,
    `ALTER ROLE ${quoteIdentifier(row.role)} BYPASSRLS; or ${alternative}`,
  );
}

interface IdentityRow {
  schema: string;
  relation: string;
  identity: string;
  columns: string[];
}

/**
 * A delete must name the row, and a deleted bucket source the row that it counted for (interleavings 6); a
 * published table without an identity would make the application's own updates fail.
 */
async function checkReplicaIdentities(client: ClientBase, tracked: TrackedTables): Promise<void> {
  const relations = tracked.relations();
  const { rows } = await client.query<IdentityRow>(
    `SELECT n.nspname AS schema, c.relname AS relation, c.relreplident AS identity,
            ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a
                    ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
                   WHERE i.indrelid = c.oid AND i.indimmediate
                     AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)) AS columns
       FROM unnest($1::text[], $2::text[]) AS wanted (s, r)
       JOIN pg_namespace n ON n.nspname = wanted.s
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.r`,
    [relations.map(({ schema }) => schema), relations.map(({ relation }) => relation)],
  );
  for (const row of rows) {
    const found = tracked.find(row.schema, row.relation);
    const needed = [
      ...(found?.table ? [found.table.idColumn] : []),
      ...(found?.dependents ?? []).map(({ fkColumn }) => fkColumn),
    ];
    const missing = row.identity === 'f' ? [] : needed.filter((column) => !row.columns.includes(column));
    if (missing.length === 0) continue;
    const table = quoteRelation(row.schema, row.relation);
    throw new SynchroError(
      'replica_identity_missing',
      `a deleted row of ${row.schema}.${row.relation} would not carry ${missing.join(', ')}, which sync needs`,
      `put ${missing.join(', ')} into its primary key, or: ALTER TABLE ${table} REPLICA IDENTITY FULL;`,
    );
  }
}
