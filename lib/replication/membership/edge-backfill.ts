import { quoteIdentifier, quoteLiteral } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';
import { TEXT_LIMITS } from '../../common/text-limits.js';
import { isReadableTimeSql } from '../../schema/row-json.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { ownBucketsSql } from '../../store/host-rows/default-bucket-sql.js';
import { isLiveSql } from '../../store/host-rows/is-live-sql.js';
import type { TrackedTables } from '../tables/tracked-tables.js';

/**
 * Whether the sync tables have neither edges nor waiting rows of a table. Then nothing has to be compared, and no
 * device needs entries.
 */
export async function isUnknown(tx: ChangelogTransaction, { name }: SyncTable): Promise<boolean> {
  const { rows } = await tx.query<{ known: boolean }>(
    `SELECT EXISTS (SELECT FROM :sync.sync_bucket_edges WHERE table_name = $1)
         OR EXISTS (SELECT FROM :sync.sync_waiting_rows WHERE table_name = $1 OR parent_table = $1)
         OR EXISTS (SELECT FROM :sync.sync_rule_failures WHERE table_name = $1 AND resolved_at IS NULL) AS known`,
    [name],
  );
  return rows[0]?.known === false;
}

/**
 * Whether the table has rows whose ids or buckets don't fit into the sync tables. Such a table is resolved row by
 * row.
 */
export async function hasTooLong(
  tx: ChangelogTransaction,
  tracked: TrackedTables,
  table: SyncTable,
): Promise<boolean> {
  const { recordId, bucket } = TEXT_LIMITS;
  const text = streamTextSql(tracked, table);
  const tooLong = [
    `octet_length(${text(table.idColumn)}) > ${recordId}`,
    ...(table.parentFkColumn === null ? [] : [`octet_length(${text(table.parentFkColumn)}) > ${recordId}`]),
    ...ownBucketsSql(table, text).map((own) => `octet_length(${own}) > ${bucket}`),
  ];
  const { rows } = await tx.query<{ found: boolean }>(
    `SELECT EXISTS (SELECT FROM ${table.sql} AS t WHERE ${tooLong.join(' OR ')}) AS found`,
  );
  return rows[0]?.found === true;
}

/**
 * Writes the edges of a table that has none, in the database alone: the same edges as reading and resolving each row,
 * but only for the default rule. Parents' tables come first. Edges are written in the order of their key, so that
 * neighbours share index pages.
 * @returns whether there are rows that wait for their parents
 */
export async function backfillEdges(
  tx: ChangelogTransaction,
  tracked: TrackedTables,
  table: SyncTable,
): Promise<boolean> {
  tx.markReadAhead();
  const text = streamTextSql(tracked, table);
  const { parent } = table;
  const [own, name] = [ownBucketsSql(table, text), quoteLiteral(table.name)];
  const [id, fk] = [text(table.idColumn), text(table.parentFkColumn ?? table.idColumn)];
  const hasParent = `t.${quoteIdentifier(table.parentFkColumn ?? '')} IS NOT NULL`;
  // A row without a time has that at which it came to the log.
  const updatedAt =
    table.updatedAtColumn === null
      ? 'now()'
      : `coalesce(t.${quoteIdentifier(table.updatedAtColumn)}::timestamptz, now())`;
  const columns = `${id} AS record_id, ${isLiveSql(table, 't')} AS live,
      CASE WHEN ${isReadableTimeSql(updatedAt)} THEN ${updatedAt} END AS row_updated_at,
      ${parent === null ? 'NULL' : `CASE WHEN ${hasParent} THEN ${fk} END`} AS parent_id`;
  const sources = [
    ...own.map(
      (bucket) =>
        `SELECT ${columns}, ${bucket} AS bucket_id FROM ${table.sql} AS t WHERE ${bucket} IS NOT NULL`,
    ),
    ...(parent === null
      ? []
      : [
          `SELECT ${columns}, e.bucket_id FROM ${table.sql} AS t
             JOIN :sync.sync_bucket_edges AS e ON e.table_name = ${quoteLiteral(parent)} AND e.record_id = ${fk}
             ${own.length === 0 ? '' : `WHERE ${own.map((bucket) => `e.bucket_id IS DISTINCT FROM ${bucket}`).join(' AND ')}`}`,
        ]),
  ];
  await tx.query(
    `INSERT INTO :sync.sync_bucket_edges (table_name, record_id, bucket_id, live, row_updated_at, parent_id)
     SELECT ${name}, r.record_id, r.bucket_id, r.live, r.row_updated_at, r.parent_id
       FROM (${sources.join(' UNION ALL ')}) AS r ORDER BY r.record_id COLLATE "C", r.bucket_id COLLATE "C"`,
  );
  if (parent === null) return false;
  const { rowCount } = await tx.query(
    `INSERT INTO :sync.sync_waiting_rows (table_name, record_id, parent_table, parent_id)
     SELECT ${name}, ${id}, ${quoteLiteral(parent)}, ${fk} FROM ${table.sql} AS t
      WHERE ${hasParent} AND NOT EXISTS (
        SELECT FROM :sync.sync_bucket_edges AS e WHERE e.table_name = ${quoteLiteral(parent)} AND e.record_id = ${fk})`,
  );
  return (rowCount ?? 0) > 0;
}

/** Text expressions of the columns of a row `t`, as the decoder of the stream has them. */
function streamTextSql(tracked: TrackedTables, { schema, name }: SyncTable): (column: string) => string {
  const padded = tracked.paddedColumns(schema, name);
  return (column) => `t.${quoteIdentifier(column)}${padded.has(column) ? '::bpchar' : ''}::text COLLATE "C"`;
}
