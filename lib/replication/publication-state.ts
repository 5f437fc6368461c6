import type { ClientBase } from 'pg';
import { SynchroError } from '../common/errors.js';
import type { TrackedTables } from './tracked-tables.js';

/**
 * Which publication, and which entry of it, each synced table and its bucket sources have, by the table's name. Whatever
 * changes there may have kept changes from the stream, so what was altered, or dropped, and made as before counts, too.
 */
export type PublicationState = ReadonlyMap<string, string>;

/**
 * Reads it for a session that begins. Before PostgreSQL 18, WAL that is older than the publication can't be decoded:
 * once that is another one than the stored rules were followed by, the slot has to be made anew, too (see
 * `discontinuity`).
 */
export async function followPublication(
  client: ClientBase,
  name: string,
  tracked: TrackedTables,
): Promise<PublicationState> {
  await client.query(
    `UPDATE sync_wal_position SET system_id = NULL
      WHERE system_id IS NOT NULL AND current_setting('server_version_num')::integer < 180000
        AND EXISTS (SELECT FROM sync_table_rules t JOIN pg_publication p ON p.pubname = $1
                     WHERE t.publication <> '' AND split_part(t.publication, '/', 1) <> p.oid::text)`,
    [name],
  );
  return readPublication(client, name, tracked);
}

/**
 * Finds out that the publication is not what it was when the session began. The tables that this concerns are marked,
 * so that the next session looks at all their rows.
 * @throws SynchroError `temporarily_unavailable`, which ends the session
 */
export async function requireUnchanged(
  client: ClientBase,
  name: string,
  tracked: TrackedTables,
  before: PublicationState,
): Promise<void> {
  const now = await readPublication(client, name, tracked);
  const changed = [...before.keys()].filter((table) => before.get(table) !== now.get(table));
  if (changed.length === 0) return;
  // Behind what it was, which still tells which publication it was.
  await client.query(
    `UPDATE sync_table_rules SET publication = publication || 'changed' WHERE table_name = ANY($1::text[])`,
    [changed],
  );
  throw new SynchroError(
    'temporarily_unavailable',
    `the publication was altered: changes of ${changed.join(', ')} may be missing from the stream`,
  );
}

async function readPublication(
  client: ClientBase,
  name: string,
  tracked: TrackedTables,
): Promise<PublicationState> {
  const { rows } = await client.query<{ schema: string; relation: string; state: string }>(
    `SELECT n.nspname AS schema, c.relname AS relation,
            concat_ws('/', p.oid, p.xmin, r.oid, r.xmin) AS state
       FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
       JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE p.pubname = $1
      ORDER BY r.oid`,
    [name],
  );
  const states = new Map(tracked.registry.all().map((table) => [table.name, '']));
  for (const { schema, relation, state } of rows) {
    const { table = null, dependents = [] } = tracked.find(schema, relation) ?? {};
    for (const concerned of [...(table ? [table] : []), ...dependents.map((dependent) => dependent.table)]) {
      states.set(concerned.name, `${states.get(concerned.name) ?? ''}${state} `);
    }
  }
  return states;
}
