import { Client } from 'pg';
import { serve } from '../environment/serve.js';

/**
 * The bare set-based writer: edges, log entries and position by one prepared statement a batch, which is a transaction
 * of its own. It knows from the start what to write.
 */

/** The best of 500 to 5000; edges in the order of their key (rather than of the log) are worth another tenth. */
const BATCH = 5000;

const EDGES = {
  insert: `INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id, row_updated_at)
    SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $6::timestamptz[]) AS e (t, r, b, u) ORDER BY r`,
  /** Rows that stay where they are. */
  update: `UPDATE sync_bucket_edges AS o SET row_updated_at = e.u
      FROM (SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $6::timestamptz[]) AS e (t, r, b, u) ORDER BY r) AS e
     WHERE o.table_name = e.t AND o.record_id = e.r AND o.bucket_id = e.b`,
} as const;

type Kind = keyof typeof EDGES;

const statement = (kind: Kind): string => `
WITH edge AS (${EDGES[kind]}), entry AS (
  INSERT INTO sync_changelog (seq, table_name, record_id, bucket_id, operation)
  SELECT $1::bigint + n, t, r, b, o
    FROM unnest($2::text[], $3::text[], $4::text[], $5::smallint[]) WITH ORDINALITY AS e (t, r, b, o, n)
)
UPDATE sync_wal_position SET last_seq = $1::bigint + cardinality($2::text[]), updated_at = now()`;

interface Entry {
  readonly table: string;
  readonly id: string;
  readonly bucket: string;
  readonly operation: number;
  readonly rowUpdatedAt: string;
}

const client = new Client({ connectionString: process.env['DATABASE_URL'] });
await client.connect();
let entries: readonly Entry[] = [];
let seq = 0;

/** Takes over what sync has written to its own database after a seq. */
async function load({ url, after }: { readonly url: string; readonly after: number }): Promise<void> {
  const source = new Client({ connectionString: url });
  await source.connect();
  const { rows } = await source.query<Entry>(
    `SELECT l.table_name AS table, l.record_id AS id, l.bucket_id AS bucket, l.operation,
            e.row_updated_at::text AS "rowUpdatedAt"
       FROM sync_changelog l JOIN sync_bucket_edges e USING (table_name, record_id, bucket_id)
      WHERE l.seq > $1 ORDER BY l.seq`,
    [after],
  );
  await source.end();
  entries = rows;
  seq = after;
}

async function write(kind: Kind = 'insert'): Promise<void> {
  const text = statement(kind);
  let pending: Promise<unknown> = Promise.resolve();
  for (let first = 0; first < entries.length; first += BATCH) {
    const batch = entries.slice(first, first + BATCH);
    const values = [
      seq + first,
      batch.map(({ table }) => table),
      batch.map(({ id }) => id),
      batch.map(({ bucket }) => bucket),
      batch.map(({ operation }) => operation),
      batch.map(({ rowUpdatedAt }) => rowUpdatedAt),
    ];
    // The next batch is made while this one is written.
    await pending;
    pending = client.query({ name: kind, text, values });
  }
  await pending;
}

serve({ load, write }, '', () => client.end());
