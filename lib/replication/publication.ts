import type { ClientBase } from 'pg';
import { errorCode } from '../common/database-error.js';
import { SynchroError } from '../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../common/identifiers.js';

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
  relations: readonly RelationName[],
): Promise<void> {
  const publication = quoteIdentifier(name);
  const { rows } = await client.query<PublicationRow>(
    `SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate AS complete, pubviaroot
       FROM pg_publication WHERE pubname = $1`,
    [name],
  );
  const [existing] = rows;
  if (!existing) {
    const tables = relations.map(({ schema, relation }) => quoteRelation(schema, relation)).join(', ');
    const sql = `CREATE PUBLICATION ${publication} FOR TABLE ${tables} WITH (publish_via_partition_root = true)`;
    return run(client, sql, ['42710', '23505']);
  }
  if (existing.puballtables) {
    throw new SynchroError(
      'publication_invalid',
      `publication ${name} is FOR ALL TABLES, so the changelog would be replicated into itself`,
      `DROP PUBLICATION ${publication}; it is made again at the next start.`,
    );
  }
  if (!existing.complete || !existing.pubviaroot) {
    await run(
      client,
      `ALTER PUBLICATION ${publication} SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true)`,
    );
  }
  const missing = await missingRelations(client, name, relations);
  if (missing.length === 0) return;
  const tables = missing.map(({ schema, relation }) => quoteRelation(schema, relation)).join(', ');
  await run(client, `ALTER PUBLICATION ${publication} ADD TABLE ${tables}`, ['42710', '23505']);
}

interface PublicationRow {
  puballtables: boolean;
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

/** @param alreadyDone SQLSTATEs that mean another instance did the same at the same moment */
async function run(client: ClientBase, sql: string, alreadyDone: readonly string[] = []): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    const code = errorCode(error) ?? '';
    if (alreadyDone.includes(code)) return;
    if (code !== '42501') throw error;
    throw new SynchroError(
      'permission_missing',
      'the database role may not create or alter the publication',
      `as the tables' owner or a superuser, run: ${sql};`,
      { cause: error },
    );
  }
}
