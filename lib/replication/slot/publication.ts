import type { ClientBase } from 'pg';
import { errorCode } from '../../database/database-error.js';
import { problemsError, SynchroError, type SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../../common/identifiers.js';
import { forgetRules } from '../../store/rule-marks.js';
import type { TrackedTables } from '../tables/tracked-tables.js';

interface RelationName {
  readonly schema: string;
  readonly relation: string;
}

/**
 * Makes the publication, or adds the tables that it lacks, or has with a row filter or a column list. It never removes
 * one: during a rolling deploy another version may need it.
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
    return alterPublication(client, sql, tracked, relations, [VOID_POSITION]);
  }
  // First, before any fix: a fix forgets which publication followed a table.
  await voidOlderWal(client, name);
  const problems = await publicationProblems(client, name);
  if (problems.length > 0) throw problemsError(problems);
  if (!existing.complete || !existing.pubviaroot) {
    await alterPublication(
      client,
      `ALTER PUBLICATION ${publication} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`,
      tracked,
      relations,
    );
  }
  const whole = await publishedRelations(client, name);
  const missing = relations.filter(
    ({ schema, relation }) => whole.get(quoteRelation(schema, relation)) !== true,
  );
  if (missing.length === 0) return;
  const names = missing.map(({ schema, relation }) => quoteRelation(schema, relation));
  const partial = names.filter((relation) => whole.has(relation));
  const drop =
    partial.length === 0 ? '' : `ALTER PUBLICATION ${publication} DROP TABLE ${partial.join(', ')}; `;
  await alterPublication(
    client,
    `${drop}ALTER PUBLICATION ${publication} ADD TABLE ${names.join(', ')}`,
    tracked,
    missing,
  );
}

/** Why a publication that is there can't serve; none when it is not. */
export async function publicationProblems(
  client: ClientBase,
  name: string,
): Promise<readonly SynchroProblem[]> {
  const { rows } = await client.query<{ all: boolean }>(
    `SELECT p.puballtables AS all FROM pg_publication p
      WHERE p.pubname = $1 AND (p.puballtables OR EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname
         WHERE c.oid = to_regclass(':sync.sync_changelog') AND t.pubname = p.pubname))`,
    [name],
  );
  return rows.map(({ all }) => ({
    code: 'publication_invalid',
    entity: 'PostgreSQL',
    option: 'publication',
    message: `${name} is FOR ALL TABLES${all ? '' : ' of a schema'}, so the changelog would be replicated into itself`,
    fix: `DROP PUBLICATION ${quoteIdentifier(name)}; it is made again at the next start.`,
  }));
}

interface PublicationRow {
  complete: boolean;
  pubviaroot: boolean;
}

/** The tables that a publication names, and whether it has them whole: without a row filter or a column list. */
async function publishedRelations(client: ClientBase, name: string): Promise<ReadonlyMap<string, boolean>> {
  // to_jsonb: filters and lists exist from PostgreSQL 15 on only.
  const { rows } = await client.query<{ schema: string; relation: string; whole: boolean }>(
    `SELECT n.nspname AS schema, c.relname AS relation,
            to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL AS whole
       FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
       JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE p.pubname = $1`,
    [name],
  );
  return new Map(rows.map(({ schema, relation, whole }) => [quoteRelation(schema, relation), whole]));
}

/**
 * Before PostgreSQL 18, WAL that is older than the publication can't be decoded any more: the slot has to be
 * recreated, too (see `discontinuity`).
 */
const VOID_POSITION = `UPDATE :sync.sync_wal_position SET system_id = NULL
  WHERE system_id IS NOT NULL AND current_setting('server_version_num')::integer < 180000`;

/** The same for a publication that somebody made by hand: it is another one than the tables were followed by. */
async function voidOlderWal(client: ClientBase, name: string): Promise<void> {
  await client.query(
    `${VOID_POSITION}
       AND EXISTS (SELECT FROM :sync.sync_table_rules t JOIN pg_publication p ON p.pubname = $1
                    WHERE split_part(t.table_shape ->> 'published', ' ', 2) <> p.oid::text)`,
    [name],
  );
}

/** Another instance did the same at the same moment. */
const ALREADY_DONE = new Set(['42710', '23505']);

/**
 * Changes the publication. Earlier changes of the relations may be missing from the stream: their tables lose the
 * hash of their rules, so that the next leader resolves all their rows (interleavings 5).
 */
async function alterPublication(
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
    // The position before the rules, like everyone: instances that start together would wait for each other.
    for (const statement of further) await client.query(statement);
    await forgetRules(client, tables);
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
