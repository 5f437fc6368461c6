import type { ClientBase } from 'pg';
import { SynchroError } from '../common/errors.js';
import { quoteRelation } from '../common/identifiers.js';
import type { Lsn } from '../common/lsn.js';
import type { TrackedTables } from './tracked-tables.js';

/**
 * What of a relation can change rows, or keep their changes from the stream, without a message that says so. Each is a
 * fingerprint, that differs when it changed.
 */
export interface TableShape {
  /** The relation, and its entry in the publication: between two of them changes may have been left out. */
  readonly published: string;
  /** The columns that sync reads: under another one of that name, all rows may have other buckets. */
  readonly rules: string;
  /** The partitions and their files: one that is attached, detached, dropped or truncated is not in the stream. */
  readonly partitions: string;
  /** All columns, and the files: both together change when ALTER TABLE writes every row anew. */
  readonly columns: string;
  readonly files: string;
  /** The same of the bucket sources. */
  readonly sources: string;
}

/** The shapes of the synced tables at a moment. */
export interface TableShapes {
  /** By the table's wire name. */
  readonly byTable: ReadonlyMap<string, TableShape>;
  /** Whatever was committed before is before this in the stream, too. */
  readonly lsn: Lsn;
}

/** How a table has to be looked at, for what may have happened to it unseen. */
export type Look =
  | 'none'
  /** The buckets of its rows are resolved again. */
  | 'resolve'
  /** Its rows may be others, too: those are announced whose `updated_at` is later than devices have seen it. */
  | 'compare'
  /** Its rows may have changed: they are all announced again. */
  | 'refresh';

/** @param stored null: nobody has looked at the table at that point of the stream yet */
export function lookFor(stored: TableShape | null, shape: TableShape): Look {
  if (stored === null) return 'compare';
  const differs = (key: keyof TableShape): boolean => stored[key] !== shape[key];
  if (differs('published') || (differs('columns') && differs('files'))) return 'refresh';
  return differs('rules') || differs('partitions') || differs('sources') ? 'compare' : 'none';
}

/** Whether anything at all is another. */
export function sameShapes(a: TableShapes, b: TableShapes): boolean {
  return JSON.stringify([...a.byTable]) === JSON.stringify([...b.byTable]);
}

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
    tracked.notePresentColumns(row.schema, row.relation, row.present);
    byRelation.set(quoteRelation(row.schema, row.relation), row);
  }
  const byTable = new Map<string, TableShape>();
  for (const table of tracked.registry.all()) {
    const row = byRelation.get(table.sql);
    if (!row) continue;
    const { published, rules, partitions, columns, files } = row;
    const sources = table.bucketSources
      .map(({ schema, relation }) => byRelation.get(quoteRelation(schema, relation)))
      .map((source) => [source?.published, source?.rules, source?.partitions].join(' '))
      .join(',');
    byTable.set(table.name, { published, rules, partitions, columns, files, sources });
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
}

const SHAPES = `
SELECT w.schema, w.relation, w.required, c.oid IS NOT NULL AS found,
  ARRAY(SELECT a.attname::text FROM pg_attribute a
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS present,
  concat_ws(' ', c.oid, p.oid, p.xmin, r.oid, r.xmin) AS published,
  (SELECT coalesce(string_agg(concat_ws(' ', a.attnum, a.atttypid, a.attname), ',' ORDER BY a.attnum), '')
     FROM pg_attribute a
    WHERE a.attrelid = c.oid AND NOT a.attisdropped AND a.attname::text = ANY (w.required)) AS rules,
  CASE WHEN c.relkind = 'p' THEN f.files ELSE '' END AS partitions,
  (SELECT coalesce(sum(hash_record_extended((a.attnum, a.xmin), 0)), 0)::text
     FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) AS columns,
  f.files
FROM jsonb_to_recordset($1::jsonb) AS w (schema text, relation text, required text[])
LEFT JOIN pg_namespace n ON n.nspname = w.schema
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.relation AND c.relkind IN ('r', 'p')
LEFT JOIN pg_publication p ON p.pubname = $2
LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
CROSS JOIN LATERAL (
  SELECT md5(coalesce(string_agg(concat_ws(' ', l.oid, l.relfilenode), ',' ORDER BY l.oid), '')) AS files
    FROM pg_class l
   WHERE l.oid = c.oid OR l.oid IN (SELECT t.relid FROM pg_partition_tree(c.oid) t WHERE t.isleaf)) f
ORDER BY w.schema, w.relation`;
