import type { ClientBase } from 'pg';
import { problemsOf, SynchroError, type SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../../common/identifiers.js';
import type { TrackedTables } from '../tables/tracked-tables.js';

/** Requirements of replication that the server, the role or the tables lack. */
export async function replicationProblems(
  client: ClientBase,
  tracked: TrackedTables,
): Promise<readonly SynchroProblem[]> {
  return [
    ...(await serverProblems(client)),
    ...(await roleProblems(client)),
    ...(await problemsOf('PostgreSQL', 'row security', () => checkRowSecurity(client, tracked))),
    ...(await identityProblems(client, tracked)),
  ];
}

async function serverProblems(client: ClientBase): Promise<readonly SynchroProblem[]> {
  const { rows } = await client.query<{ wal_level: string }>('SHOW wal_level');
  const level = rows[0]?.wal_level ?? 'unknown';
  if (level === 'logical') return [];
  return [
    {
      code: 'wal_level_not_logical',
      entity: 'PostgreSQL',
      option: 'wal_level',
      message: `it is ${level}, so changes can't be decoded`,
      fix: `ALTER SYSTEM SET wal_level = 'logical'; then restart PostgreSQL.`,
    },
  ];
}

async function roleProblems(client: ClientBase): Promise<readonly SynchroProblem[]> {
  const { rows } = await client.query<{ role: string; allowed: boolean }>(
    `SELECT rolname AS role, rolreplication OR rolsuper AS allowed FROM pg_roles WHERE rolname = current_user`,
  );
  return rows
    .filter(({ allowed }) => !allowed)
    .map(({ role }) => ({
      code: 'permission_missing',
      entity: 'PostgreSQL',
      option: 'REPLICATION',
      message: `role ${role} may not replicate`,
      fix: `ALTER ROLE ${quoteIdentifier(role)} REPLICATION;`,
    }));
}

/** The consumer works for all users: rows that a policy hides from it would get no edges (W-WAL-7). */
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
  /** The relation, or the partition of it in which the rows are: its own identity counts. */
  sql: string;
  identity: string;
  columns: string[];
  primary_key: string[];
  all_columns: string[];
  /** A unique index of the synced table's id alone, with its schema left out; null: none. */
  id_index: string | null;
}

/**
 * A delete must name the row, and a deleted bucket source the row that it counted for (interleavings 6); a
 * published table without an identity would make the application's own updates fail.
 */
async function identityProblems(
  client: ClientBase,
  tracked: TrackedTables,
): Promise<readonly SynchroProblem[]> {
  const relations = tracked.relations();
  const { rows } = await client.query<IdentityRow>(
    `SELECT n.nspname AS schema, r.relname AS relation, c.relreplident AS identity,
            format('%I.%I', c.relnamespace::regnamespace::name, c.relname) AS sql,
            ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a
                    ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
                   WHERE i.indrelid = c.oid AND i.indimmediate
                     AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)) AS columns,
            ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a
                    ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)
                   WHERE i.indrelid = c.oid AND i.indisprimary) AS primary_key,
            ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS all_columns,
            (SELECT x.relname::text FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
              WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indnkeyatts = 1
                AND i.indpred IS NULL AND a.attname = wanted.id ORDER BY 1 LIMIT 1) AS id_index
       FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (s, r, id)
       JOIN pg_namespace n ON n.nspname = wanted.s
       JOIN pg_class r ON r.relnamespace = n.oid AND r.relname = wanted.r
       JOIN pg_class c ON CASE WHEN r.relkind <> 'p' THEN c.oid = r.oid
         ELSE c.oid IN (SELECT t.relid FROM pg_partition_tree(r.oid) t WHERE t.isleaf) AND c.relkind = 'r' END
      ORDER BY 1, 2, 4`,
    [
      relations.map(({ schema }) => schema),
      relations.map(({ relation }) => relation),
      relations.map(({ schema, relation }) => tracked.find(schema, relation)?.table?.idColumn ?? null),
    ],
  );
  return rows.flatMap((row) => {
    const missing = missingColumns(row, tracked);
    if (missing.length === 0) return [];
    const columns = missing.join(', ');
    return [
      {
        code: 'replica_identity_missing',
        entity: tracked.find(row.schema, row.relation)?.table?.entity ?? `${row.schema}.${row.relation}`,
        option: 'REPLICA IDENTITY',
        message: `a deleted row of ${row.sql} would not carry ${columns}, which sync needs`,
        fix: identityFix(row, missing, tracked),
      },
    ];
  });
}

function identityFix(row: IdentityRow, missing: readonly string[], tracked: TrackedTables): string {
  const { sql, id_index: index } = row;
  const id = tracked.find(row.schema, row.relation)?.table?.idColumn;
  const isIdAlone = missing.every((column) => column === id);
  if (isIdAlone && index !== null)
    return `ALTER TABLE ${sql} REPLICA IDENTITY USING INDEX ${quoteIdentifier(index)};`;
  return `put ${missing.join(', ')} into its primary key, or: ALTER TABLE ${sql} REPLICA IDENTITY FULL;`;
}

/** The schema's own check reports a missing column or another primary key. */
function missingColumns(row: IdentityRow, tracked: TrackedTables): readonly string[] {
  if (row.identity === 'f') return [];
  const found = tracked.find(row.schema, row.relation);
  const id = found?.table?.idColumn;
  const hasOtherKey = row.identity === 'd' && row.id_index === null;
  const needed = [
    ...(id === undefined || (hasOtherKey && !row.primary_key.includes(id)) ? [] : [id]),
    ...(found?.dependents ?? []).map(({ fkColumn }) => fkColumn),
  ];
  return needed.filter((column) => row.all_columns.includes(column) && !row.columns.includes(column));
}
