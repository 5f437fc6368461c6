import { upsert } from '../common/collections.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import type { ChangelogTransaction } from '../store/changelog-transaction.js';
import type { RuleFailure } from './bucket-rules.js';
import { presentIds } from './current-rows.js';
import type { MembershipApplier } from './membership-applier.js';

/** Failures looked at in one go. */
const RETRY_ROWS = 500;

interface RecordedFailure {
  readonly table: string;
  readonly failure: RuleFailure;
  readonly operation: number;
}

/**
 * Records what could not be resolved, and closes the failures of rows that could. The row itself is not stored:
 * a retry reads it again.
 */
export async function settleFailures(
  tx: ChangelogTransaction,
  failures: readonly RecordedFailure[],
  resolved: ReadonlyMap<string, ReadonlySet<string>>,
  open: { failures: boolean },
): Promise<void> {
  if (open.failures) {
    for (const [table, ids] of resolved) await closeFailures(tx, table, [...ids]);
  }
  for (const { table, failure, operation } of failures) {
    open.failures = true;
    await tx.query(
      `INSERT INTO :sync.sync_rule_failures AS f (table_name, record_id, operation, error_text, retry_at)
       VALUES ($1, $2, $3, $4, now() + interval '1 second')
       ON CONFLICT (table_name, record_id) WHERE resolved_at IS NULL DO UPDATE
         SET attempts = f.attempts + 1, error_text = excluded.error_text, operation = excluded.operation,
             retry_at = now() + least(interval '1 second' * 2 ^ least(f.attempts, 12), interval '1 hour')`,
      [table, failure.row.recordId, operation, failure.error.message],
    );
  }
}

/** Failures of tables that this version doesn't know ($1 are those that it does) wait for one that does. */
export const DUE = 'resolved_at IS NULL AND retry_at <= now() AND table_name = ANY($1::text[])';

/** Tries the failures that are due again. @returns whether any failure is still open */
export async function retryFailures(
  tx: ChangelogTransaction,
  registry: SyncRegistry,
  applier: MembershipApplier,
): Promise<boolean> {
  const { rows } = await tx.query<{ table_name: string; record_id: string }>(
    `SELECT table_name, record_id FROM :sync.sync_rule_failures WHERE ${DUE} ORDER BY id LIMIT ${RETRY_ROWS}`,
    [registry.all().map((table) => table.name)],
  );
  const due = new Map<string, string[]>();
  for (const row of rows) upsert(due, row.table_name, () => []).push(row.record_id);
  for (const [name, ids] of due) {
    const table = registry.get(name);
    const there = await presentIds(tx, table, ids);
    // A row that is gone has nothing left to resolve: its delete came by itself.
    await closeFailures(
      tx,
      name,
      ids.filter((recordId) => !there.has(recordId)),
    );
    await applier.resettle(
      tx,
      table,
      { column: table.idColumn, values: [...there] },
      { time: tx.begunAt, refresh: true },
    );
  }
  const left = await tx.query('SELECT FROM :sync.sync_rule_failures WHERE resolved_at IS NULL LIMIT 1');
  return left.rows.length > 0;
}

async function closeFailures(tx: ChangelogTransaction, table: string, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(
    `UPDATE :sync.sync_rule_failures SET resolved_at = now()
      WHERE table_name = $1 AND record_id = ANY($2::text[]) AND resolved_at IS NULL`,
    [table, ids],
  );
}
