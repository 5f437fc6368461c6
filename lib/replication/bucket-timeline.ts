import { upsert } from '../common/collections.js';
import { bucketsOf } from './edge-diff.js';
import type { RowEvent } from './row-events.js';

type Buckets = ReadonlySet<string>;

interface Moment {
  /** The place in the batch of the event that brought them. */
  readonly order: number;
  readonly buckets: Buckets;
}

const BEFORE = -1;

/**
 * Which buckets the records of one table had at which place in a batch, where they have moved. Who gets a parent must
 * not be told of children that were gone before.
 */
export class BucketTimeline {
  private readonly moments = new Map<string, Moment[]>();

  /** Notes what an event made of a record. What came to be counts from the beginning: its children may come before it. */
  note(id: string, order: number, before: Buckets, edges: ReadonlyMap<string, boolean>): void {
    if (before.size === 0 && !this.moments.has(id)) return;
    if (before.size === edges.size && [...before].every((bucket) => edges.has(bucket))) return;
    const moments = upsert(this.moments, id, () => [{ order: BEFORE, buckets: before }]);
    moments.push({ order, buckets: bucketsOf(edges) });
  }

  get hasMoves(): boolean {
    return this.moments.size > 0;
  }

  /** What a record had at a place; undefined: it has not moved. */
  at(id: string, order: number): Buckets | undefined {
    return this.moments.get(id)?.findLast((moment) => moment.order <= order)?.buckets;
  }
}

/** The place behind all events of a batch. */
export const END = Infinity;

/** Events of records that have another one behind them. */
export function followedEvents(events: readonly RowEvent[]): ReadonlySet<RowEvent> {
  const followed = new Set<RowEvent>();
  const seen = new Set<string>();
  for (const event of events.toReversed()) {
    if (seen.has(event.recordId)) followed.add(event);
    seen.add(event.recordId);
  }
  return followed;
}
