import type { RecordIds } from '../store/edges.js';
import { neededEdges } from './membership-work.js';
import type { Relation } from './pgoutput.js';
import { toRowEvents, type RowEvents } from './row-events.js';
import type { TrackedTables } from './tracked-tables.js';
import type { Change } from './transaction-batcher.js';

/** Row changes that follow each other, or a TRUNCATE, which stands between what comes before and after it. */
type Run =
  | { readonly rows: RowEvents; readonly truncated: null; readonly time: bigint }
  | { readonly rows: null; readonly truncated: readonly Relation[]; readonly time: bigint };

/** A batch as far as it can be worked out without the database, while the one before is written. */
export interface PreparedBatch {
  readonly runs: readonly Run[];
  /** The records whose edges the first run asks for. */
  readonly records: RecordIds;
}

export function prepareBatch(changes: readonly Change[], tracked: TrackedTables): PreparedBatch {
  const runs = toRuns(changes, tracked);
  const rows = runs[0]?.rows;
  return { runs, records: rows ? neededEdges([...rows.byTable.values()].flat()) : new Map() };
}

/** Cuts a batch into what is applied in one go. */
function toRuns(changes: readonly Change[], tracked: TrackedTables): readonly Run[] {
  const runs: Run[] = [];
  let rows: Change[] = [];
  const endRows = (): void => {
    const last = rows.at(-1);
    if (last) runs.push({ rows: toRowEvents(rows, tracked), truncated: null, time: last.commitTime });
    rows = [];
  };
  for (const change of changes) {
    if (change.message.tag !== 'truncate') {
      rows.push(change);
      continue;
    }
    endRows();
    runs.push({ rows: null, truncated: change.message.relations, time: change.commitTime });
  }
  endRows();
  return runs;
}
