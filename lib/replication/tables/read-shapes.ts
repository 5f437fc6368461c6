import type { ClientBase } from 'pg';
import { SynchroError } from '../../common/errors.js';
import { quoteRelation } from '../../common/identifiers.js';
import { isPaddedSql } from './padded-type-sql.js';
import { LABEL, type TableShape, type TableShapes } from './table-shapes.js';
import type { TrackedTables } from './tracked-tables.js';

/**
 * Looks at the catalogs, without locks, in a few milliseconds.
 * @throws SynchroError when a table or a column that sync needs is not there
 */
export async function readShapes(
  client: ClientBase,
  tracked: TrackedTables,
  publicationName: string,
): Promise<TableShapes> {
  const relations = tracked.relations();
  const wanted = relations.map(({ schema, relation }) => ({
    schema,
    relation,
    required: [...tracked.requiredColumns(schema, relation)],
  }));
  const { rows } = await client.query<ShapeRow>({
    name: 'table_shapes',
    text: SHAPES,
    values: [JSON.stringify(wanted), publicationName],
  });
  // After the statement: what it saw was committed before.
  const { rows: positions } = await client.query<{ lsn: string }>(
    `SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text AS lsn`,
  );
  const byRelation = new Map<string, ShapeRow>();
  for (const row of rows) {
    assertComplete(row);
    tracked.recordPresentColumns(row.schema, row.relation, row.present, row.padded);
    byRelation.set(quoteRelation(row.schema, row.relation), row);
  }
  const byTable = new Map<string, TableShape>();
  for (const table of tracked.registry.all()) {
    const row = byRelation.get(table.sql);
    if (!row) continue;
    const { published, rules, partitions, attached, columns, files, readings, types } = row;
    const sources = table.bucketSources
      .map(({ schema, relation }) => byRelation.get(quoteRelation(schema, relation)))
      .map((source) => [source?.published, source?.rules, source?.partitions].join(' '))
      .join(',');
    const shape = { published, rules, partitions, attached, columns, files, sources, readings, types };
    byTable.set(table.name, shape);
  }
  return { byTable, lsn: BigInt(positions[0]?.lsn ?? 0) };
}

function assertComplete({ schema, relation, found, required, present }: ShapeRow): void {
  const name = quoteRelation(schema, relation);
  if (!found) {
    throw new SynchroError(
      'schema_unsupported',
      `there is no table ${name} any more, so its changes can't be applied`,
      `make it again, or deploy the version of the app that does without it; nothing is lost meanwhile.`,
    );
  }
  const missing = required.filter((column) => !present.includes(column));
  if (missing.length === 0) return;
  throw new SynchroError(
    'schema_unsupported',
    `table ${name} has no column ${missing.join(', ')} any more, which sync needs, so its changes can't be applied`,
    `give it the column back, or deploy the version of the app that names another one; nothing is lost meanwhile.`,
  );
}

interface ShapeRow extends Omit<TableShape, 'sources'> {
  readonly schema: string;
  readonly relation: string;
  readonly required: readonly string[];
  readonly found: boolean;
  readonly present: readonly string[];
  readonly padded: readonly string[];
}

const SHAPES = `
WITH RECURSIVE wanted AS (
  SELECT w.schema, w.relation, w.required, c.oid, c.relkind, c.reltype
    FROM jsonb_to_recordset($1::jsonb) AS w (schema text, relation text, required text[])
    LEFT JOIN pg_namespace n ON n.nspname = w.schema
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.relation AND c.relkind IN ('r', 'p')
), used AS (
  SELECT w.oid AS relation, a.atttypid AS type
    FROM wanted w JOIN pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND a.atttypid >= 16384
  UNION
  SELECT u.relation, n.type
    FROM used u JOIN pg_type t ON t.oid = u.type CROSS JOIN LATERAL (
      SELECT t.typbasetype UNION ALL SELECT t.typelem
      UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0
      UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)) n (type)
   WHERE n.type >= 16384
)
SELECT w.schema, w.relation, w.required, w.oid IS NOT NULL AS found,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
         WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS present,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
         WHERE a.attrelid = w.oid AND a.attnum > 0 AND ${isPaddedSql('a.atttypid')}) AS padded,
  concat_ws(' ', w.oid, p.oid, p.xmin, r.oid, r.xmin, t.xmin) AS published,
  (SELECT coalesce(string_agg(concat_ws(' ', a.attnum, a.atttypid, a.attname), ',' ORDER BY a.attnum), '')
     FROM pg_attribute a
    WHERE a.attrelid = w.oid AND NOT a.attisdropped AND a.attname::text = ANY (w.required)) AS rules,
  CASE WHEN w.relkind = 'p' THEN f.files ELSE '' END AS partitions,
  CASE WHEN w.relkind = 'p' THEN f.attached ELSE '{}' END AS attached,
  (SELECT coalesce(sum(hash_record_extended((a.attnum, a.xmin), 0)), 0)::text
     FROM pg_attribute a WHERE a.attrelid = w.oid AND a.attnum > 0) AS columns,
  f.files,
  (SELECT coalesce(jsonb_object_agg(a.attname, jsonb_build_object(
            'place', a.attnum,
            'type', concat_ws(' ', a.atttypid, CASE WHEN a.attgenerated = 'v' THEN pg_get_expr(d.adbin, d.adrelid) END),
            'fill', CASE WHEN a.attgenerated = 'v' OR m.values <> '[]'
              THEN jsonb_build_object('default', coalesce(pg_get_expr(d.adbin, d.adrelid), ''), 'values', m.values) END)), '{}')
     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    CROSS JOIN LATERAL (
      SELECT coalesce(jsonb_agg(DISTINCT l.attmissingval::text), '[]') AS values FROM pg_attribute l
       WHERE l.attrelid = ANY (f.leaves) AND l.attname = a.attname AND l.atthasmissing) m
    WHERE a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped) AS readings,
  (SELECT coalesce(jsonb_object_agg(x.key, x.text), '{}')
     FROM used u JOIN pg_type y ON y.oid = u.type CROSS JOIN LATERAL (
       SELECT '${LABEL}' || e.oid, e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = y.oid
       UNION ALL
       SELECT 'composite ' || y.oid, string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid), ',' ORDER BY a.attnum)
         FROM pg_attribute a
        WHERE y.typtype = 'c' AND a.attrelid = y.typrelid AND a.attnum > 0 AND NOT a.attisdropped
       HAVING count(*) > 0) x (key, text)
    WHERE u.relation = w.oid) AS types
FROM wanted w
LEFT JOIN pg_type t ON t.oid = w.reltype
LEFT JOIN pg_publication p ON p.pubname = $2
LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = w.oid
CROSS JOIN LATERAL (
  SELECT array_agg(l.oid) AS leaves,
         jsonb_object_agg(l.oid, (SELECT string_agg(i.xmin::text, ' ' ORDER BY i.inhrelid)
           FROM pg_partition_ancestors(l.oid) a JOIN pg_inherits i ON i.inhrelid = a.relid)) AS attached,
         md5(coalesce(string_agg(concat_ws(' ', l.oid, l.relfilenode), ',' ORDER BY l.oid), '')) AS files
    FROM pg_class l
   WHERE l.oid = w.oid OR l.oid IN (SELECT t.relid FROM pg_partition_tree(w.oid) t WHERE t.isleaf)) f
ORDER BY w.schema, w.relation`;
