import { END } from '../rules/bucket-timeline.js';
import { bucketsOf, removeRow, applyRow, type NewEntry } from './edge-diff.js';
import { rowState, type MembershipWork } from './membership-work.js';
import type { RowEvent } from '../stream/row-events.js';

/** Context of an event, from outside of the event itself. */
export interface EventContext {
  /** The row's own buckets; null: not known, so it keeps those that it has. */
  readonly own: readonly string[] | null;
  /** The place of the record's next event in the batch; {@link END}: there is none. */
  readonly until: number;
  /** The row is gone by now, so it comes into no bucket. */
  readonly isGone: boolean;
  /** The table has children. */
  readonly isParent: boolean;
  /** Microseconds by the server's clock. */
  readonly writtenAt: bigint;
  /** The latest `updated_at` that devices may have had of a row without edges, microseconds; null: it isn't known. */
  readonly known: bigint | null;
}

/**
 * Moves a record's edges to the buckets that an event asks for, with the entries for the difference. The parent's
 * buckets at the end of the event's transaction count first, as the device that made the row may hold it by these.
 * The parent's later moves in the batch follow, as if they came in batches of their own.
 */
export function applyEvent(work: MembershipWork, event: RowEvent, context: EventContext): void {
  const { table, recordId, row, order, commitEnd } = event;
  applyAt(work, event, context, event, context.until < END ? order : commitEnd);
  if (row === null) {
    work.gone(table, recordId);
    return;
  }
  for (const moment of work.movesAfter(table, row, commitEnd))
    if (moment.order < context.until) applyAt(work, event, context, moment, moment.order);
}

type EventMoment = Pick<RowEvent, 'order' | 'commitEnd'>;

/**
 * @param moment the event's own, or a later one at which its parent moved
 * @param place in the batch: the parent's buckets are those that it has there
 */
function applyAt(
  work: MembershipWork,
  event: RowEvent,
  context: EventContext,
  moment: EventMoment,
  place: number,
): void {
  const { table, recordId, row, commitTime } = event;
  const { own, isGone, isParent, writtenAt, known } = context;
  const record = work.edges.record(table.name, recordId);
  const before = isParent ? bucketsOf(record.edges) : null;
  let entries: readonly NewEntry[];
  if (row === null) entries = removeRow(record);
  else {
    const wanted = work.withInherited(table, row, own, place);
    const buckets = isGone ? (wanted?.filter((bucket) => record.edges.has(bucket)) ?? null) : wanted;
    const cause = moment !== event ? 'reresolved' : event.kind === 'insert' ? 'insert' : 'update';
    entries = applyRow(record, rowState(table, row, { buckets, commitTime, writtenAt, cause, known }));
  }
  work.add(moment.order, table, recordId, entries);
  if (before) work.timeline(table.name).record(recordId, moment, before, record.edges);
}
