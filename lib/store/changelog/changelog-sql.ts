import { writePgArray } from '../../database/pg-array-literal.js';
import { formatMicros } from '../../common/timestamp.js';
import type { ChangelogEntry } from './changelog-entry.js';
import type { EdgeKey, EdgeRow } from './edges.js';

/**
 * The parameters of the statements that write edges and entries by arrays, a column each. A value that is the same in
 * all rows is sent, and read, once: the others' are null then.
 */

/** $1 to $3: the tables, the records and the buckets of edges or of entries. */
export function recordColumns(records: readonly EdgeKey[]): unknown[] {
  return [
    once(records.map(({ table }) => table)),
    writePgArray(records.map(({ recordId }) => recordId)),
    writePgArray(records.map(({ bucket }) => bucket)),
  ];
}

/** $4 to $6: whether each edge is live, its row's time and parent. */
export function edgeColumns(edges: readonly EdgeRow[]): unknown[] {
  return [
    once(edges.map(({ live }) => live)),
    writePgArray(edges.map(({ rowUpdatedAt }) => rowUpdatedAt)),
    writePgArray(once(edges.map(({ parentId }) => parentId))),
  ];
}

/** The operation of each entry, and the time that it is served with. */
export function entryColumns(entries: readonly ChangelogEntry[]): unknown[] {
  return [
    once(entries.map(({ operation }) => operation)),
    once(entries.map(({ servedAt }) => (servedAt === null ? null : formatMicros(servedAt)))),
  ];
}

function once<Value>(values: Value[]): Value[] {
  const [first] = values;
  return values.every((value) => value === first) ? values.slice(0, 1) : values;
}

/** In the order of their key: neighbours share their index pages. */
const EDGES = `SELECT coalesce(t, ($1::text[])[1]), r, b, coalesce(live, ($4::boolean[])[1]), updated_at,
         CASE WHEN cardinality($6::text[]) = 1 THEN ($6::text[])[1] ELSE parent END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::text[])
         AS e (t, r, b, live, updated_at, parent)
   ORDER BY r COLLATE "C"`;

const INSERT_EDGES = `INSERT INTO :sync.sync_bucket_edges (table_name, record_id, bucket_id, live, row_updated_at, parent_id)
  ${EDGES}`;

/** (By a join, a plan made while the statistics are young would read all edges.) */
const UPSERT_EDGES = `INSERT INTO :sync.sync_bucket_edges AS e (table_name, record_id, bucket_id, live, row_updated_at, parent_id)
  ${EDGES}
  ON CONFLICT (table_name, record_id, bucket_id) DO UPDATE
    SET live = excluded.live, row_updated_at = excluded.row_updated_at, parent_id = excluded.parent_id, updated_at = now()`;

export const DELETE_EDGES = `DELETE FROM :sync.sync_bucket_edges e
  USING unnest($1::text[], $2::text[], $3::text[]) AS gone (t, r, b)
  WHERE e.table_name = coalesce(gone.t, ($1::text[])[1]) AND e.record_id = gone.r AND e.bucket_id = gone.b`;

/** $4, $5: {@link entryColumns}; $6 the seq before them. */
export const APPEND = appendSql('$4', '$5', '$6');

/** For edges that are known to be new, and for edges that are known to exist. */
export const WRITE_EDGES = { insert: INSERT_EDGES, update: UPSERT_EDGES } as const;

/** The same with an entry for each. $7, $8: {@link entryColumns}; $9 the seq before them. */
export const WRITE_EDGES_AND_APPEND = {
  insert: `WITH edge AS (${INSERT_EDGES}) ${appendSql('$7', '$8', '$9')}`,
  update: `WITH edge AS (${UPSERT_EDGES}) ${appendSql('$7', '$8', '$9')}`,
} as const;

function appendSql(operations: string, times: string, seq: string): string {
  return `INSERT INTO :sync.sync_changelog (seq, table_name, record_id, bucket_id, operation, served_at)
    SELECT ${seq}::bigint + n, coalesce(t, ($1::text[])[1]), r, b, coalesce(o, (${operations}::smallint[])[1]),
           CASE WHEN cardinality(${times}::timestamptz[]) = 1 THEN (${times}::timestamptz[])[1] ELSE s END
      FROM unnest($1::text[], $2::text[], $3::text[], ${operations}::smallint[], ${times}::timestamptz[])
           WITH ORDINALITY AS e (t, r, b, o, s, n)`;
}
