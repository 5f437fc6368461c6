import type { ChangelogTransaction } from './changelog-transaction.js';

/** A row that waits until its parent has edges. */
export interface WaitingRow {
  readonly table: string;
  readonly recordId: string;
  readonly parentTable: string;
  readonly parentId: string;
}

/** Notes that some rows wait, or for which parent they do now. */
export async function saveWaiting(tx: ChangelogTransaction, rows: readonly WaitingRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO :sync.sync_waiting_rows (table_name, record_id, parent_table, parent_id)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
     ON CONFLICT (table_name, record_id) DO UPDATE
       SET parent_table = excluded.parent_table, parent_id = excluded.parent_id`,
    [
      rows.map((row) => row.table),
      rows.map((row) => row.recordId),
      rows.map((row) => row.parentTable),
      rows.map((row) => row.parentId),
    ],
  );
}

/** Forgets that some records were waiting. */
export async function deleteWaiting(
  tx: ChangelogTransaction,
  table: string,
  recordIds: readonly string[],
): Promise<void> {
  if (recordIds.length === 0) return;
  await tx.query(
    'DELETE FROM :sync.sync_waiting_rows WHERE table_name = $1 AND record_id = ANY($2::text[])',
    [table, recordIds],
  );
}

/** Takes the rows that waited for some parents out of the waiting list. */
export async function releaseWaiting(
  tx: ChangelogTransaction,
  parentTable: string,
  parentIds: readonly string[],
): Promise<readonly Pick<WaitingRow, 'table' | 'recordId'>[]> {
  const { rows } = await tx.query<{ table: string; recordId: string }>({
    name: 'release_waiting',
    text: `DELETE FROM :sync.sync_waiting_rows WHERE parent_table = $1 AND parent_id = ANY($2::text[])
     RETURNING table_name AS "table", record_id AS "recordId"`,
    values: [parentTable, parentIds],
  });
  return rows;
}
