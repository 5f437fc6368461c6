import { quoteIdentifier } from '../common/identifiers.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import type { SyncTable } from '../registry/sync-table.js';
import type { ChangelogTransaction } from '../store/changelog/changelog-transaction.js';
import {
  advanceTask,
  oldestTasks,
  enqueueWholeTable,
  type ConsumerTask,
} from '../store/tasks/consumer-tasks.js';
import { Operation } from '../store/changelog/operation.js';
import type { MembershipApplier } from './membership/membership-applier.js';
import { clientBucket } from '../common/canonical-id.js';

/** Rows of a whole table that are resolved again in one transaction: the stream goes on in between. */
const PAGE_ROWS = 5_000;

/** Most tasks of one transaction: 500 of one record each take 0.5 s together, and 3.6 s one by one. */
const TASKS = 50;

/** Records of a task that others may follow in the same transaction. */
const SMALL_RECORDS = 100;

/**
 * Works on the tasks that have waited longest: on several in one transaction, up to one with many records. A task for a
 * table that this version doesn't know waits for one that does.
 */
export async function applyTasks(
  tx: ChangelogTransaction,
  registry: SyncRegistry,
  applier: MembershipApplier,
): Promise<void> {
  const tables = registry.all().map(({ name }) => name);
  for (const task of await oldestTasks(tx, tables, TASKS)) {
    await applyTask(tx, registry, applier, task);
    if (task.recordIds === null || task.recordIds.length > SMALL_RECORDS) return;
  }
}

async function applyTask(
  tx: ChangelogTransaction,
  registry: SyncRegistry,
  applier: MembershipApplier,
  task: ConsumerTask,
): Promise<void> {
  const table = registry.get(task.table);
  const { recordIds } = task;
  if (recordIds === null) {
    await advanceTask(tx, task, await resolvePage(tx, registry, applier, table, task));
    return;
  }
  if (task.kind === 'reresolve') await reresolveRecords(tx, applier, table, recordIds);
  else {
    const write = task.kind === 'withdraw' ? withdraw(tx, table, recordIds, task) : redeliver(tx, task);
    if (!(await tx.succeeds(write))) await sendToSnapshot(tx, task);
  }
  await advanceTask(tx, task, null);
}

/** @returns the last id of the page; null when there are no more rows */
async function resolvePage(
  tx: ChangelogTransaction,
  registry: SyncRegistry,
  applier: MembershipApplier,
  table: SyncTable,
  { afterId }: ConsumerTask,
): Promise<string | null> {
  if (afterId === null && (await applier.removeOrphans(tx, table))) {
    // They may still inherit from rows that are gone.
    for (const child of registry.children(table.name)) await enqueueWholeTable(tx, child.name);
  }
  const id = quoteIdentifier(table.idColumn);
  const { rows } = await tx.query<{ id: string }>(
    `SELECT ${id}::text AS id FROM ${table.sql} t ${afterId === null ? '' : `WHERE ${id} > $1`}
      ORDER BY t.${id} LIMIT ${PAGE_ROWS}`,
    afterId === null ? [] : [afterId],
  );
  const ids = rows.map((row) => row.id);
  await reresolveRecords(tx, applier, table, ids);
  return ids.length < PAGE_ROWS ? null : (ids.at(-1) ?? null);
}

async function reresolveRecords(
  tx: ChangelogTransaction,
  applier: MembershipApplier,
  table: SyncTable,
  values: readonly string[],
): Promise<void> {
  await applier.reresolve(tx, table, { column: table.idColumn, values }, { time: tx.begunAt });
}

/** A delete for the device, or for each one of the user. Where the record has come into being meanwhile, pulls serve it as it is. */
function withdraw(
  tx: ChangelogTransaction,
  table: SyncTable,
  recordIds: readonly string[],
  { userId, client }: ConsumerTask,
): () => Promise<number> {
  return () =>
    tx.appendSelect(
      `SELECT $1 || c.id::text, $2, r, ${Operation.delete}, NULL::timestamptz
       FROM :sync.sync_clients c CROSS JOIN unnest($3::text[]) AS r WHERE c.user_id = $4 OR c.id = $5`,
      [clientBucket(''), table.name, recordIds, userId, client],
    );
}

/**
 * Entries for records that an answer left out or refused, as their rows were ahead of the log. The device may not
 * know such a record: where it may not have the record any more, pulls leave the entry out (see
 * `Standing.neverServed`).
 */
function redeliver(tx: ChangelogTransaction, { id, client }: ConsumerTask): () => Promise<number> {
  return () =>
    tx.appendSelect(
      `SELECT $1, e.table_name, e.record_id, ${Operation.create},
            CASE WHEN q.force_newer_timestamp THEN greatest(clock_timestamp(), max(e.row_updated_at) + interval '1 millisecond') END
       FROM :sync.sync_consumer_tasks q JOIN :sync.sync_clients c ON c.id = q.client
       JOIN :sync.sync_bucket_edges e ON e.record_id = ANY(q.record_ids) AND e.table_name = q.table_name
            AND e.bucket_id = ANY(c.bucket_subs) AND e.live
      WHERE q.id = $2 GROUP BY q.force_newer_timestamp, e.table_name, e.record_id`,
      [clientBucket(client ?? ''), id],
    );
}

/** Sends a device to a snapshot, where an entry for one of its records can't be written. */
async function sendToSnapshot(tx: ChangelogTransaction, { userId, client }: ConsumerTask): Promise<void> {
  await tx.query(
    'UPDATE :sync.sync_clients SET resync_seq = $3, updated_at = now() WHERE user_id = $1 OR id = $2',
    [userId, client, tx.mark().toString()],
  );
}
