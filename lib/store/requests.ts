import type { EntityManager } from 'typeorm';
import { WORK_CHANNEL } from '../common/work-channel.js';
import type { ChangelogTransaction } from './changelog-transaction.js';
import type { Statement } from './pipeline.js';
import type { SyncClient } from './sync-clients.js';

/** What an instance asks of the WAL consumer, wherever that runs. */
export interface SyncRequestRow {
  readonly id: string;
  /**
   * `reresolve`: resolve buckets again. `withdraw`: take records that don't exist off a user's devices. `redeliver`: tell
   * a device of records again.
   */
  readonly kind: 'reresolve' | 'withdraw' | 'redeliver';
  readonly table: string;
  /** null: the whole table. */
  readonly recordIds: readonly string[] | null;
  /** Where the whole table goes on; null at its beginning. */
  readonly afterId: string | null;
  /** Whose devices, with `withdraw`; null: that of `client`. */
  readonly userId: string | null;
  /** Primary key of the device's row. */
  readonly client: string | null;
}

export interface NewRequest
  extends
    Pick<SyncRequestRow, 'kind' | 'table' | 'recordIds'>,
    Partial<Pick<SyncRequestRow, 'userId' | 'client'>> {
  /** With `redeliver`: of each record, the time to serve as PostgreSQL's text; null: the row's own. */
  readonly servedAt?: readonly (string | null)[];
}

export interface RecordKey {
  readonly table: string;
  readonly recordId: string;
}

/** Records of one request: each is done in one transaction. */
const REQUEST_ROWS = 5_000;

/** Leaves work to the WAL consumer, and wakes it. */
export async function enqueueRequest(manager: EntityManager, request: NewRequest): Promise<void> {
  const { kind, table, recordIds, servedAt = null, userId = null, client = null } = request;
  for (let from = 0; from < (recordIds?.length ?? 1); from += REQUEST_ROWS) {
    const [ids, served] = [recordIds, servedAt].map((list) => list?.slice(from, from + REQUEST_ROWS) ?? null);
    await manager.query(
      `INSERT INTO sync_requests (kind, table_name, record_ids, served_at, user_id, client)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [kind, table, ids, served, userId, client],
    );
  }
  await manager.query('SELECT pg_notify($1, $2)', [WORK_CHANNEL, '']);
}

/**
 * The statement that has records told to a device again, later than what it holds: those that it should have by the edges.
 * Where they have gone from its buckets, so has the record from the device, and comes back with entries of its own.
 * @param records each once
 */
export function requestRedelivery(
  client: Pick<SyncClient, 'id'>,
  records: readonly RecordKey[],
  buckets: readonly string[],
): Statement {
  return {
    sql: `WITH asked AS (
      INSERT INTO sync_requests (kind, table_name, record_ids, served_at, client)
      SELECT 'redeliver', r.table_name, array_agg(r.record_id), array_agg(clock_timestamp()), $1
        FROM unnest($2::text[], $3::text[]) AS r (table_name, record_id)
       WHERE EXISTS (SELECT FROM sync_bucket_edges e
         WHERE e.table_name = r.table_name AND e.record_id = r.record_id AND e.bucket_id = ANY($4::text[]) AND e.live)
       GROUP BY r.table_name RETURNING id)
    SELECT pg_notify($5, '') FROM asked LIMIT 1`,
    parameters: [
      client.id,
      records.map(({ table }) => table),
      records.map(({ recordId }) => recordId),
      buckets,
      WORK_CHANNEL,
    ],
  };
}

/** The request that has waited longest, of those whose table is one of these. */
export async function oldestRequest(
  tx: ChangelogTransaction,
  tables: readonly string[],
): Promise<SyncRequestRow | null> {
  const { rows } = await tx.query<SyncRequestRow>(
    `SELECT id::text, kind, table_name AS "table", record_ids AS "recordIds", after_id AS "afterId",
            user_id AS "userId", client
       FROM sync_requests WHERE table_name = ANY($1::text[]) ORDER BY sync_requests.id LIMIT 1`,
    [tables],
  );
  return rows[0] ?? null;
}

/** Asks for a whole table, from within the consumer's own transaction. */
export async function requestWholeTable(tx: ChangelogTransaction, table: string): Promise<void> {
  await tx.query(`INSERT INTO sync_requests (kind, table_name) VALUES ('reresolve', $1)`, [table]);
}

/** @param afterId where it goes on; null: it is done */
export async function advanceRequest(
  tx: ChangelogTransaction,
  { id }: SyncRequestRow,
  afterId: string | null,
): Promise<void> {
  if (afterId === null) await tx.query('DELETE FROM sync_requests WHERE id = $1', [id]);
  else await tx.query('UPDATE sync_requests SET after_id = $2 WHERE id = $1', [id, afterId]);
}
