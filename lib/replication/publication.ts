import type { ClientBase } from 'pg';
import { errorCode } from '../common/database-error.js';
import { problemsError, SynchroError, type SynchroProblem } from '../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../common/identifiers.js';
import type { TrackedTables } from './tracked-tables.js';

interface RelationName {
  readonly schema: string;
  readonly relation: string;
}

/**
 * Makes the publication, or adds the tables that it lacks. It never removes one: during a rolling deploy another
 * version may need it.
 * @throws SynchroError with the SQL to run, when a right is missing or the publication can't serve
 */
export async function ensurePublication(
  client: ClientBase,
  name: string,
  tracked: TrackedTables,
): Promise<void> {
  const relations = tracked.relations();
  const publication = quoteIdentifier(name);
  const { rows } = await client.query<PublicationRow>(
    `SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AS complete, pubviaroot
       FROM pg_publication WHERE pubname = $1`,
    [name],
  );
  const [existing] = rows;
  if (!existing) {
    const tables = relations.map(({ schema, relation }) => quoteRelation(schema, relation)).join(', ');
    const sql = `CREATE PUBLICATION ${publication} FOR TABLE ${tables} WITH (publish_via_partition_root = true)`;
    return mend(client, sql, tracked, relations, [VOID_POSITION]);
  }
  const problems = await publicationProblems(client, name);
  if (problems.length > 0) throw problemsError(problems);
  if (!existing.complete || !existing.pubviaroot) {
    await mend(
      client,
      `ALTER PUBLICATION ${publication} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`,
      tracked,
      relations,
    );
  }
  const missing = await missingRelations(client, name, relations);
  if (missing.length === 0) return;
  const tables = missing.map(({ schema, relation }) => quoteRelation(schema, relation)).join(', ');
  await mend(client, `ALTER PUBLICATION ${publication} ADD TABLE ${tables}`, tracked, missing);
}

/** Why a publication that is there can't serve; none when it is not. */
export async function publicationProblems(
  client: ClientBase,
  name: string,
): Promise<readonly SynchroProblem[]> {
  const { rows } = await client.query('SELECT FROM pg_publication WHERE pubname = $1 AND puballtables', [
    name,
  ]);
  return rows.map(() => ({
    code: 'publication_invalid',
    entity: 'PostgreSQL',
    option: 'publication',
    message: `${name} is FOR ALL TABLES, so the changelog would be replicated into itself`,
    remedy: `DROP PUBLICATION ${quoteIdentifier(name)}; it is made again at the next start.`,
  }));
}

interface PublicationRow {
  complete: boolean;
  pubviaroot: boolean;
}

async function missingRelations(
  client: ClientBase,
  name: string,
  relations: readonly RelationName[],
): Promise<readonly RelationName[]> {
  const { rows } = await client.query<{ schemaname: string; tablename: string }>(
    `SELECT n.nspname AS schemaname, c.relname AS tablename
       FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
       JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE p.pubname = $1`,
    [name],
  );
  return relations.filter(
    ({ schema, relation }) => !rows.some((row) => row.schemaname === schema && row.tablename === relation),
  );
}

/**
 * Before PostgreSQL 18, WAL that is older than the publication can't be decoded any more: the slot has to be made
 * anew, too (see `discontinuity`).
 */
const VOID_POSITION = `UPDATE sync_wal_position SET system_id = NULL
  WHERE current_setting('server_version_num')::integer < 180000`;

/** Another instance did the same at the same moment. */
const ALREADY_DONE = new Set(['42710', '23505']);

/**
 * Changes the publication. What the relations went through before may be unknown: the tables that they concern
 * lose the mark of their rules, so that whoever takes the lead looks at all their rows (interleavings 5).
 */
async function mend(
  client: ClientBase,
  sql: string,
  tracked: TrackedTables,
  relations: readonly RelationName[],
  further: readonly string[] = [],
): Promise<void> {
  const tables = relations.flatMap(({ schema, relation }) => {
    const { table = null, dependents = [] } = tracked.find(schema, relation) ?? {};
    return [...(table ? [table.name] : []), ...dependents.map((dependent) => dependent.table.name)];
  });
  await client.query('BEGIN');
  try {
    await client.query(sql);
    await client.query('DELETE FROM sync_table_rules WHERE table_name = ANY($1::text[])', [tables]);
    for (const statement of further) await client.query(statement);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    const code = errorCode(error) ?? '';
    if (ALREADY_DONE.has(code)) return;
    if (code !== '42501') throw error;
    throw new SynchroError(
      'permission_missing',
      'the database role may not create or alter the publication',
      `as the tables' owner or a superuser, run: ${sql};`,
      { cause: error },
    );
  }
}
