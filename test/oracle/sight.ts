import { joinedUnlessSeen, type Interval } from './intervals.js';
import type { Exchange } from './phone.js';

/**
 * What sync can know of when somebody was granted something: the host is asked at the beginning of each request, and
 * at no other time.
 */
export type Sight = (granted: readonly Interval[]) => readonly Interval[];

/** A grant that is found at the beginning of a request holds until its end, though it may be revoked meanwhile. */
export function ofRequest({ sent, received }: Exchange): Sight {
  return (granted) =>
    granted.map(({ from, to }) =>
      from <= received && to >= sent ? { from, to: Math.max(to, received) } : { from, to },
    );
}

/**
 * Of deletes, which come from the log: what was lost and granted again between two requests counts as kept, and what
 * was granted when the device's snapshot began counts from where the log stood then.
 */
export function ofLog(exchange: Exchange, appliedUntil: (time: number) => number): Sight {
  const { phone, snapshotAt } = exchange;
  const loggedAt = snapshotAt === 0 ? 0 : appliedUntil(snapshotAt);
  const current = ofRequest(exchange);
  return (granted) =>
    joinedUnlessSeen(
      current(granted).map(({ from, to }) =>
        from <= snapshotAt && to >= snapshotAt ? { from: Math.min(from, loggedAt), to } : { from, to },
      ),
      phone.looks,
    );
}
