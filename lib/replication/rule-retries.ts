import { upsert } from '../common/collections.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import type { ChangelogTransaction } from '../store/changelog/changelog-transaction.js';
import type { MembershipApplier } from './membership/membership-applier.js';
import { DUE } from './rules/rule-failures.js';

/** Failures of one retry. */
const RETRY_ROWS = 500;

/** Tries the failures that are due again. @returns whether any failure is still open */
export async function retryFailures(
  tx: ChangelogTransaction,
  registry: SyncRegistry,
  applier: MembershipApplier,
): Promise<boolean> {
  // Of those that could not be written most can't be now.
  await tx.beCareful();
  const { rows } = await tx.query<{ table_name: string; record_id: string }>(
    `SELECT table_name, record_id FROM :sync.sync_rule_failures WHERE ${DUE} ORDER BY id LIMIT ${RETRY_ROWS}`,
    [registry.all().map((table) => table.name)],
  );
  const due = new Map<string, string[]>();
  for (const row of rows) upsert(due, row.table_name, () => []).push(row.record_id);
  for (const table of registry.parentsFirst()) {
    const filter = { column: table.idColumn, values: due.get(table.name) ?? [] };
    // It may be the delete of a row that could not be written.
    await applier.reresolve(tx, table, filter, { time: tx.begunAt, refresh: true, removed: true });
  }
  const left = await tx.query('SELECT FROM :sync.sync_rule_failures WHERE resolved_at IS NULL LIMIT 1');
  return left.rows.length > 0;
}
