import type { BenchRow } from './bench-row.js';
import { pullChanges } from './rows/pull-changes.js';
import { pullNothing } from './rows/pull-nothing.js';
import { pushBatches } from './rows/push-batches.js';
import { snapshotPage } from './rows/snapshot-page.js';
import { visibility } from './rows/visibility.js';
import { walInserts } from './rows/wal-inserts.js';

/** In the order of the table. A new row is a file in `rows/` and a name here. */
export const ALL_ROWS: readonly BenchRow[] = [
  ...walInserts,
  ...visibility,
  pullChanges,
  pullNothing,
  snapshotPage,
  ...pushBatches,
];
