import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { OPEN_FAILURE } from '../../store/changelog/open-failure.js';
import type { RuleFailure } from './bucket-rules.js';
import { Operation } from '../../store/changelog/operation.js';
import type { PoisonRow } from '../membership/poison-rows.js';

interface RecordedFailure {
  readonly table: string;
  readonly failure: RuleFailure;
  readonly operation: number;
}

/** Records what could not be resolved. The row itself is not stored: a retry reads it again. */
export async function recordFailures(
  tx: ChangelogTransaction,
  failures: readonly RecordedFailure[],
): Promise<void> {
  for (const { table, failure, operation } of failures)
    await record(tx, [table, failure.row.recordId, operation], failure.error.message);
}

/** Records rows that were set aside (see `poison-rows.ts`). */
export async function savePoison(tx: ChangelogTransaction, rows: readonly PoisonRow[]): Promise<void> {
  for (const { table, recordId, error } of rows)
    await record(
      tx,
      [table, recordId, Operation.update],
      `its change could not be written to the log: ${error.message}`,
    );
}

/** An error of any shape is recorded: the host's code may throw anything. */
async function record(
  tx: ChangelogTransaction,
  row: readonly [table: string, recordId: string, operation: number],
  message: string,
): Promise<void> {
  const text = message.slice(0, MAX_ERROR_TEXT).replaceAll(/\0|\p{Surrogate}/gu, '�');
  if (isAscii(text)) await insertFailure(tx, row, text);
  // The database's encoding may not have its characters.
  else if ((await tx.attempt(() => insertFailure(tx, row, text))) !== null)
    await insertFailure(tx, row, text.replaceAll(/[^\t\n\r -~]/g, '?'));
}

const MAX_ERROR_TEXT = 2_000;

function isAscii(text: string): boolean {
  return /^[\t\n\r -~]*$/.test(text);
}

async function insertFailure(
  tx: ChangelogTransaction,
  row: readonly [table: string, recordId: string, operation: number],
  text: string,
): Promise<void> {
  await tx.query(
    `INSERT INTO :sync.sync_rule_failures AS f (table_name, record_id, operation, error_text, retry_at)
     VALUES ($1, $2, $3, $4, now() + interval '1 second')
     ON CONFLICT ${OPEN_FAILURE} DO UPDATE
       SET attempts = f.attempts + 1, error_text = excluded.error_text, operation = excluded.operation,
           retry_at = now() + least(interval '1 second' * 2 ^ least(f.attempts, 12), interval '1 hour')`,
    [...row, text],
  );
}

/** Failures of tables that this version doesn't know ($1 are those that it does) wait for one that does. */
export const DUE = 'resolved_at IS NULL AND retry_at <= now() AND table_name = ANY($1::text[])';

/** Closes the failures of rows that could be resolved. */
export async function closeFailures(
  tx: ChangelogTransaction,
  resolved: ReadonlyMap<string, ReadonlySet<string>>,
): Promise<void> {
  for (const [table, ids] of resolved) {
    if (ids.size === 0) continue;
    await tx.query(
      `UPDATE :sync.sync_rule_failures SET resolved_at = now()
        WHERE table_name = $1 AND record_id = ANY($2::text[]) AND resolved_at IS NULL`,
      [table, [...ids]],
    );
  }
}
