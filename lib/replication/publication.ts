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
 * version may need it. What the tables went through before is unknown; see `PublicationState` for that.
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
    return mend(client, sql);
  }
  const problems = await publicationProblems(client, name, tracked);
  if (problems.length > 0) throw problemsError(problems);
  if (!existing.complete || !existing.pubviaroot) {
    await mend(
      client,
      `ALTER PUBLICATION ${publication} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`,
    );
  }
  const missing = await missingRelations(client, name, relations);
  if (missing.length === 0) return;
  const tables = missing.map(({ schema, relation }) => quoteRelation(schema, relation)).join(', ');
  await mend(client, `ALTER PUBLICATION ${publication} ADD TABLE ${tables}`);
}

/** Why a publication that is there can't serve; none when it is not. */
export async function publicationProblems(
  client: ClientBase,
  name: string,
  tracked: TrackedTables,
): Promise<readonly SynchroProblem[]> {
  const publication = quoteIdentifier(name);
  // A whole schema may be published, and pieces of a table, from PostgreSQL 15 on only; hence the view, and to_jsonb.
  const { rows: whole } = await client.query<{ all: boolean }>(
    `SELECT puballtables AS all FROM pg_publication p
      WHERE pubname = $1 AND (puballtables OR EXISTS (
        SELECT FROM pg_publication_tables t
         WHERE t.pubname = p.pubname AND t.schemaname = current_schema() AND t.tablename = 'sync_changelog'))`,
    [name],
  );
  const relations = tracked.relations();
  const { rows: partial } = await client.query<{ relation: string }>(
    `SELECT r.prrelid::regclass::text AS relation
       FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
       JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN unnest($2::text[], $3::text[]) AS wanted (s, t) ON n.nspname = wanted.s AND c.relname = wanted.t
      WHERE p.pubname = $1
        AND (to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL)`,
    [name, relations.map(({ schema }) => schema), relations.map(({ relation }) => relation)],
  );
  return [
    ...whole.map(({ all }) => ({
      message: `${name} ${all ? 'is FOR ALL TABLES' : 'contains sync_changelog'}, so the changelog would be replicated into itself`,
      remedy: `DROP PUBLICATION ${publication}; it is made again at the next start.`,
    })),
    ...partial.map(({ relation }) => ({
      message: `${name} has a row filter or a column list for ${relation}, so changes would not arrive`,
      remedy: `ALTER PUBLICATION ${publication} DROP TABLE ${relation}; it is added again at the next start.`,
    })),
  ].map((problem) => ({
    code: 'publication_invalid',
    entity: 'PostgreSQL',
    option: 'publication',
    ...problem,
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

/** Another instance did the same at the same moment. */
const ALREADY_DONE = new Set(['42710', '23505']);

async function mend(client: ClientBase, sql: string): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
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
