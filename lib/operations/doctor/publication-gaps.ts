import type { ClientBase } from 'pg';
import type { SynchroProblem } from '../../common/errors.js';
import { quoteIdentifier, quoteRelation } from '../../common/identifiers.js';
import type { TrackedTables } from '../../replication/tables/tracked-tables.js';

/**
 * A publication that lacks tables, or that is missing where the app can't make it at its first start, because its role
 * may not.
 */
export async function publicationGaps(
  client: ClientBase,
  name: string,
  tracked: TrackedTables,
): Promise<readonly SynchroProblem[]> {
  const relations = tracked.relations().map(({ schema, relation }) => quoteRelation(schema, relation));
  const { rows } = await client.query<{ relation: string; exists: boolean; creatable: boolean }>(
    `SELECT w.relation, p.oid IS NOT NULL AS exists,
            has_database_privilege(current_database(), 'CREATE') AND NOT EXISTS (
              SELECT FROM pg_class c WHERE c.oid = ANY ($2::text[]::regclass[]) AND NOT pg_has_role(c.relowner, 'USAGE')
            ) AS creatable
       FROM unnest($2::text[]) WITH ORDINALITY AS w (relation, n)
       LEFT JOIN pg_publication p ON p.pubname = $1
      WHERE p.puballtables IS NOT TRUE
        AND NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = w.relation::regclass)
      ORDER BY w.n`,
    [name, relations],
  );
  const [first] = rows;
  if (!first || (!first.exists && first.creatable)) return [];
  const missing = rows.map(({ relation }) => relation).join(', ');
  const publication = quoteIdentifier(name);
  return [
    {
      code: 'publication_invalid',
      entity: 'PostgreSQL',
      option: 'publication',
      ...(first.exists
        ? {
            message: `publication ${name} lacks ${missing}: devices don't learn of changes there`,
            fix: `ALTER PUBLICATION ${publication} ADD TABLE ${missing};`,
          }
        : {
            message: `there is no publication ${name}, and the role of the consumer may not make it`,
            fix: `CREATE PUBLICATION ${publication} FOR TABLE ${missing} WITH (publish_via_partition_root = true);`,
          }),
    },
  ];
}
