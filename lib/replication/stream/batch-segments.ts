import type { Lsn } from '../../common/lsn.js';
import type { RecordIds } from '../../store/changelog/edges.js';
import { neededEdges } from '../membership/membership-work.js';
import type { Relation } from './pgoutput.js';
import { toRowEvents, type RowEvents } from './row-events.js';
import type { TrackedTables } from '../tables/tracked-tables.js';
import type { Change } from './transaction-batcher.js';

/** Row changes that follow each other, or a TRUNCATE, which stands between what comes before and after it. */
type BatchSegment = RowSegment | TruncateSegment;

interface RowSegment {
  readonly rows: RowEvents;
  /** Records without edges so far, so that no query for their edges is needed. */
  readonly fresh: RecordIds;
  readonly time: bigint;
}

interface TruncateSegment {
  readonly rows: null;
  readonly truncated: readonly Relation[];
  readonly time: bigint;
}

/** A batch as far as it can be worked out without the database, while the one before is written. */
export interface PreparedBatch {
  readonly segments: readonly BatchSegment[];
  /** The records whose edges the first segment needs. */
  readonly records: RecordIds;
  /** It has nothing but new records. */
  readonly isNew: boolean;
}

/**
 * @param readAheadLsn no edge comes from a row that was committed later than this, except through the stream; null:
 *   unknown
 */
export function prepareBatch(
  changes: readonly Change[],
  tracked: TrackedTables,
  readAheadLsn: Lsn | null,
): PreparedBatch {
  const segments = toSegments(changes, tracked, readAheadLsn);
  const [first] = segments;
  if (!first?.rows) return { segments, records: new Map(), isNew: false };
  const needed = neededEdges([...first.rows.byTable.values()].flat());
  return { segments, records: without(needed, first.fresh), isNew: segments.length === 1 && isAllNew(first) };
}

/** Cuts a batch into what is applied in one go. */
function toSegments(
  changes: readonly Change[],
  tracked: TrackedTables,
  readAheadLsn: Lsn | null,
): readonly BatchSegment[] {
  const segments: BatchSegment[] = [];
  let rows: Change[] = [];
  const endRows = (): void => {
    const last = rows.at(-1);
    if (last) {
      const events = toRowEvents(rows, tracked);
      segments.push({ rows: events, fresh: freshRecords(rows, events, readAheadLsn), time: last.commitTime });
    }
    rows = [];
  };
  for (const change of changes) {
    if (change.message.tag !== 'truncate') {
      rows.push(change);
      continue;
    }
    endRows();
    segments.push({ rows: null, truncated: change.message.relations, time: change.commitTime });
  }
  endRows();
  return segments;
}

/**
 * The records that were inserted and have no other event before: edges of an earlier row with the same id have gone
 * with its delete. Only code that reads the tables themselves, which are ahead of the stream, can have written edges
 * of them.
 */
function freshRecords(
  changes: readonly Change[],
  { byTable, unnamed }: RowEvents,
  readAheadLsn: Lsn | null,
): RecordIds {
  const fresh = new Map<string, Set<string>>();
  for (const [table, events] of byTable) {
    // A delete among them may be of any record.
    if (unnamed.has(table)) continue;
    const ids = new Set<string>();
    const mentioned = new Set<string>();
    for (const { order, recordId } of events) {
      const change = changes[order];
      if (mentioned.has(recordId)) ids.delete(recordId);
      else if (change && isNew(change, readAheadLsn)) ids.add(recordId);
      mentioned.add(recordId);
    }
    fresh.set(table, ids);
  }
  return fresh;
}

function isAllNew({ rows, fresh }: RowSegment): boolean {
  for (const [table, events] of rows.byTable) if (events.length !== fresh.get(table)?.size) return false;
  return true;
}

function without(records: RecordIds, others: RecordIds): RecordIds {
  const left = new Map<string, ReadonlySet<string>>();
  for (const [table, ids] of records) {
    const gone = others.get(table);
    left.set(table, gone ? new Set([...ids].filter((id) => !gone.has(id))) : ids);
  }
  return left;
}

function isNew({ message, commitLsn }: Change, readAheadLsn: Lsn | null): boolean {
  return message.tag === 'insert' && readAheadLsn !== null && commitLsn > readAheadLsn;
}
