import type { QueryConfig, QueryResult } from 'pg';
import { writePgArray } from '../../database/pg-array-literal.js';

/** One edge to write, or to write again. */
export interface EdgeRow {
  readonly table: string;
  readonly recordId: string;
  readonly bucket: string;
  readonly live: boolean;
  readonly rowUpdatedAt: string | null;
  /** The parent that the row has as far as the log has come; null: none. */
  readonly parentId: string | null;
}

export type EdgeKey = Pick<EdgeRow, 'table' | 'recordId' | 'bucket'>;

/** Ids of records by table. */
export type RecordIds = ReadonlyMap<string, ReadonlySet<string>>;

/** Runs statements in the order of the calls. */
interface Queryable {
  query(config: QueryConfig): Promise<QueryResult<EdgeColumns>>;
}

/** The edges of some records. The statement is sent immediately. */
export async function readEdges(client: Queryable, records: RecordIds): Promise<readonly EdgeRow[]> {
  const tables = [...records].filter(([, ids]) => ids.size > 0);
  if (tables.length === 0) return [];
  // One `= ANY` per table: a join with unnest picks a bad plan while the statistics are young.
  const selects = tables.map(
    (_, index) => `SELECT table_name, record_id, bucket_id, live, row_updated_at::text, parent_id
      FROM :sync.sync_bucket_edges WHERE table_name = $${2 * index + 1} AND record_id = ANY($${2 * index + 2}::text[])`,
  );
  const { rows } = await client.query({
    name: `edges_${tables.length}`,
    text: selects.join(' UNION ALL '),
    values: tables.flatMap(([table, ids]) => [table, writePgArray([...ids])]),
  });
  return rows.map((row) => ({
    table: row.table_name,
    recordId: row.record_id,
    bucket: row.bucket_id,
    live: row.live,
    rowUpdatedAt: row.row_updated_at,
    parentId: row.parent_id,
  }));
}

interface EdgeColumns {
  table_name: string;
  record_id: string;
  bucket_id: string;
  live: boolean;
  row_updated_at: string | null;
  parent_id: string | null;
}
