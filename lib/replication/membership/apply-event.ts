import { END } from '../rules/bucket-timeline.js';
import { bucketsOf, removeRow, applyRow } from './edge-diff.js';
import { rowState, type MembershipWork } from './membership-work.js';
import type { RowEvent } from '../stream/row-events.js';

/** What is known of an event beyond itself. */
export interface EventContext {
  /** The row's own buckets; null: not known, so it keeps those that it has. */
  readonly own: readonly string[] | null;
  /** The place of the record's next event in the batch; {@link END}: there is none. */
  readonly until: number;
  /** It is gone by now: it comes into no bucket. */
  readonly isGone: boolean;
  /** The table has children. */
  readonly isParent: boolean;
  /** Microseconds by the server's clock. */
  readonly writtenAt: bigint;
}

/**
 * Moves a record's edges to what an event asks for, with the entries that go with it. First by the parent's buckets as
 * its transaction left them: the device that made the row may hold it by these. Then by those that the parent comes to
 * later in the batch, as if that came in a batch of its own.
 */
export function applyEvent(
  work: MembershipWork,
  event: RowEvent,
  { own, until, isGone, isParent, writtenAt }: EventContext,
): void {
  const { table, recordId, row, commitEnd, commitTime, kind } = event;
  const record = work.edges.record(table.name, recordId);
  const recorded = (moment: Pick<RowEvent, 'order' | 'commitEnd'>, change: () => void): void => {
    const before = isParent ? bucketsOf(record.edges) : null;
    change();
    if (before) work.timeline(table.name).record(recordId, moment, before, record.edges);
  };
  if (row === null) {
    recorded(event, () => work.add(event.order, table, recordId, removeRow(record)));
    work.gone(table, recordId);
    return;
  }
  const isFollowed = until < END;
  const moves = work.movesAfter(table, row, commitEnd).filter(({ order }) => order < until);
  const applyAt = (moment: Pick<RowEvent, 'order' | 'commitEnd'>, place: number): void => {
    const wanted = work.withInherited(table, row, own, place);
    const cause = moment !== event ? 'reresolved' : kind === 'insert' ? 'insert' : 'update';
    const entries = applyRow(record, {
      ...rowState(table, row),
      buckets: isGone ? (wanted?.filter((bucket) => record.edges.has(bucket)) ?? null) : wanted,
      commitTime,
      writtenAt,
      cause,
    });
    work.add(moment.order, table, recordId, entries);
  };
  recorded(event, () => applyAt(event, isFollowed ? event.order : commitEnd));
  for (const moment of moves) recorded(moment, () => applyAt(moment, moment.order));
}
