import { describeError } from '../common/describe-error.js';
import type { SyncLogger } from '../common/sync-logger.js';
import type { Caution } from './caution.js';
import type { PoisonRow, RowReports } from './membership/poison-rows.js';

/** So many rows are named in the log at a time; `sync_rule_failures` has them all. */
const MOST_NAMED = 10;
const LONGEST_SHOWN = 200;

/** Logs rows that are set aside, and keeps the consumer careful where they can't be written. */
export function rowReports(logger: SyncLogger, caution: Caution): RowReports {
  const report = (what: string, rows: readonly PoisonRow[]): void => {
    for (const { table, recordId, error } of rows.slice(0, MOST_NAMED)) {
      const record = recordId.slice(0, LONGEST_SHOWN);
      logger.error(`${what}: it keeps its buckets, and is tried again`, {
        table,
        record,
        error: describeError(error),
      });
    }
    if (rows.length > MOST_NAMED)
      logger.error(`${what}, as for others (see sync_rule_failures)`, { rows: rows.length });
  };
  return {
    poison(rows) {
      caution.prolong();
      report('the change of a row cannot be written to the changelog', rows);
    },
    failed: (rows) => report('the bucket rule failed for a row', rows),
  };
}
