import type { BenchRow } from './bench-row.js';
import { clientBrowser } from './rows/client/browser.js';
import { clientSqlite } from './rows/client/sqlite.js';
import { attacker } from './rows/attacker.js';
import { edgeBackfill } from './rows/large/edge-backfill.js';
import { largeTransaction } from './rows/large/large-transaction.js';
import { manyClients } from './rows/large/many-clients.js';
import { newClients } from './rows/large/new-clients.js';
import { live } from './rows/live.js';
import { liveInstances } from './rows/live-instances.js';
import { moveParent } from './rows/move-parent.js';
import { pullBuckets } from './rows/pull-buckets.js';
import { pullChanges } from './rows/pull-changes.js';
import { pullNothing } from './rows/pull-nothing.js';
import { pushBatches } from './rows/push-batches.js';
import { pushMembers } from './rows/push-members.js';
import { firstSync, snapshotAll } from './rows/snapshot-all.js';
import { snapshotPage } from './rows/snapshot-page.js';
import { statementsAlone } from './rows/statements-alone.js';
import { visibility } from './rows/visibility.js';
import { walInserts } from './rows/wal-inserts.js';
import { walInsertsFull } from './rows/wal-inserts-full.js';
import { walUpdates } from './rows/wal-updates.js';

/** In the order of the table. A new row is a file in `rows/` and a name here. */
export const ALL_ROWS: readonly BenchRow[] = [
  ...walInserts,
  walUpdates,
  walInsertsFull,
  moveParent,
  ...visibility,
  ...live,
  liveInstances,
  ...pullChanges,
  pullNothing,
  pullBuckets,
  snapshotPage,
  snapshotAll,
  firstSync,
  ...pushBatches,
  ...pushMembers,
  statementsAlone,
  clientSqlite,
  ...clientBrowser,
  attacker,
  largeTransaction,
  manyClients,
  edgeBackfill,
  newClients,
];
