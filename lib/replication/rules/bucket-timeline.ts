import { upsert } from '../../common/collections.js';
import { bucketsOf } from '../membership/edge-diff.js';
import type { RowEvent } from '../stream/row-events.js';

type Buckets = ReadonlySet<string>;

/** A record's buckets from a place in the batch on. */
export interface Moment {
  /** The place of the event that brought them. */
  readonly order: number;
  /** The place of the last change of its transaction: earlier, no reader could see them. */
  readonly commitEnd: number;
  readonly buckets: Buckets;
}

const BEFORE = -1;

/** The moment before all events of a batch. */
export function beforeAll(buckets: Buckets): Moment {
  return { order: BEFORE, commitEnd: BEFORE, buckets };
}

/**
 * The buckets that the records of one table had at each place in a batch, where they have moved. Users who gain a
 * parent must not get entries of children that were gone before. Users who had it may hold children that were made
 * before the move.
 */
export class BucketTimeline {
  private readonly moments = new Map<string, Moment[]>();

  /**
   * Records an event's result for a record. A new record counts from the beginning: its children may come before it.
   */
  record(
    id: string,
    { order, commitEnd }: Pick<Moment, 'order' | 'commitEnd'>,
    before: Buckets,
    edges: ReadonlyMap<string, boolean>,
  ): void {
    if (before.size === 0 && !this.moments.has(id)) return;
    if (before.size === edges.size && [...before].every((bucket) => edges.has(bucket))) return;
    const moments = upsert(this.moments, id, () => [beforeAll(before)]);
    moments.push({ order, commitEnd, buckets: bucketsOf(edges) });
  }

  get hasMoves(): boolean {
    return this.moments.size > 0;
  }

  /** The moments of a record in their order; undefined: it has not moved. */
  of(id: string): readonly Moment[] | undefined {
    return this.moments.get(id);
  }
}

/** The place behind all events of a batch. */
export const END = Infinity;

/** Where the next event of the record is, by the events that have one behind them. */
export function followedEvents(events: readonly RowEvent[]): ReadonlyMap<RowEvent, number> {
  const followed = new Map<RowEvent, number>();
  const next = new Map<string, number>();
  for (const event of events.toReversed()) {
    const order = next.get(event.recordId);
    if (order !== undefined) followed.set(event, order);
    next.set(event.recordId, event.order);
  }
  return followed;
}

/** The moments after a place, of each transaction the last one. */
export function momentsAfter(moments: readonly Moment[], place: number): readonly Moment[] {
  const later = moments.filter(({ order }) => order > place);
  return later.filter(({ commitEnd }, index) => later[index + 1]?.commitEnd !== commitEnd);
}
