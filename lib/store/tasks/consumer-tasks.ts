import { WORK_CHANNEL } from '../../common/work-channel.js';
import { chunks } from '../../common/collections.js';
import type { ChangelogTransaction } from '../changelog/changelog-transaction.js';
import type { SqlStatement } from '../../database/pipeline.js';
import type { SqlRunner } from '../../database/session.js';
import { LOG_REACHED_AFTER_LSN } from '../changelog/wal-position.js';

/** Work that an instance leaves to the WAL consumer, wherever that runs. */
export interface ConsumerTask {
  readonly id: string;
  /**
   * `reresolve`: resolves buckets again. `withdraw`: takes records that don't exist off a user's devices. `redeliver`:
   * brings records to a device again.
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

export interface NewTask
  extends
    Pick<ConsumerTask, 'kind' | 'table' | 'recordIds'>,
    Partial<Pick<ConsumerTask, 'userId' | 'client'>> {
  /** With `redeliver`: later than any version that the device may hold. Default: the row's own time is served. */
  readonly forceNewerTimestamp?: boolean;
  /** With `redeliver`: due in {@link LATER}, unless such a task is stored already. Default: false, due now. */
  readonly later?: boolean;
}

/** When a row that can't be read is tried again for a device. */
const LATER = '5 minutes';

/** Whether a task can be done now. */
export const TASK_IS_DUE = `${LOG_REACHED_AFTER_LSN} AND coalesce(due_at <= now(), true)`;

/** Records of one task: each is done in one transaction. */
const TASK_ROWS = 5_000;

/**
 * Stores tasks for the WAL consumer, and wakes it. A redelivery waits until the log has everything that was committed
 * before, since that may change the same records. A client that has been removed meanwhile gets no task.
 */
export async function enqueueTask(runner: SqlRunner, task: NewTask): Promise<void> {
  for (const { sql, parameters = [] } of taskSql(task)) await runner.query(sql, [...parameters]);
}

/** The statements of {@link enqueueTask}. */
export function taskSql(task: NewTask): readonly SqlStatement[] {
  if (task.later === true) return [laterTaskSql(task)];
  const { kind, table, recordIds, forceNewerTimestamp = false, userId = null, client = null } = task;
  const pieces = recordIds === null ? [null] : chunks(recordIds, TASK_ROWS);
  return [
    ...pieces.map((piece) => ({
      sql: `INSERT INTO :sync.sync_consumer_tasks (kind, table_name, record_ids, force_newer_timestamp, user_id, client, after_lsn)
       SELECT $1, $2, $3, $4, $5, $6, CASE WHEN $1 <> 'reresolve' THEN pg_current_wal_insert_lsn() - '0/0' END
        WHERE $6::uuid IS NULL OR EXISTS (SELECT FROM :sync.sync_clients WHERE id = $6 FOR KEY SHARE)`,
      parameters: [kind, table, piece, forceNewerTimestamp, userId, client],
    })),
    { sql: 'SELECT pg_notify($1, $2)', parameters: [WORK_CHANNEL, ''] },
  ];
}

/** Wakes no consumer: it looks for due tasks by a timer. */
function laterTaskSql({
  kind,
  table,
  recordIds,
  forceNewerTimestamp = false,
  client = null,
}: NewTask): SqlStatement {
  return {
    sql: `INSERT INTO :sync.sync_consumer_tasks (kind, table_name, record_ids, force_newer_timestamp, client, due_at)
       SELECT $1, $2, array_agg(r), $4, $5, now() + interval '${LATER}' FROM unnest($3::text[]) AS r
        WHERE EXISTS (SELECT FROM :sync.sync_clients WHERE id = $5::uuid FOR KEY SHARE)
          AND NOT EXISTS (SELECT FROM :sync.sync_consumer_tasks q
                WHERE q.client = $5::uuid AND q.table_name = $2 AND q.due_at IS NOT NULL AND r = ANY(q.record_ids))
       HAVING count(*) > 0`,
    parameters: [kind, table, recordIds, forceNewerTimestamp, client],
  };
}

/** The tasks that have waited longest, among those that are due and whose table is one of these. */
export async function oldestTasks(
  tx: ChangelogTransaction,
  tables: readonly string[],
  limit: number,
): Promise<readonly ConsumerTask[]> {
  const { rows } = await tx.query<ConsumerTask>(
    `SELECT id::text, kind, table_name AS "table", record_ids AS "recordIds", after_id AS "afterId",
            user_id AS "userId", client
       FROM :sync.sync_consumer_tasks WHERE table_name = ANY($1::text[]) AND ${TASK_IS_DUE}
      ORDER BY sync_consumer_tasks.id LIMIT $2`,
    [tables, limit],
  );
  return rows;
}

/** Stores a task for a whole table, within the consumer's own transaction. */
export async function enqueueWholeTable(tx: ChangelogTransaction, table: string): Promise<void> {
  await tx.query(`INSERT INTO :sync.sync_consumer_tasks (kind, table_name) VALUES ('reresolve', $1)`, [
    table,
  ]);
}

/** @param afterId where it goes on; null: it is done */
export async function advanceTask(
  tx: ChangelogTransaction,
  { id }: ConsumerTask,
  afterId: string | null,
): Promise<void> {
  if (afterId === null) await tx.query('DELETE FROM :sync.sync_consumer_tasks WHERE id = $1', [id]);
  else await tx.query('UPDATE :sync.sync_consumer_tasks SET after_id = $2 WHERE id = $1', [id, afterId]);
}
