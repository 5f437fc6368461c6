import { joinedUnlessSeen, type Interval } from './intervals.js';
import type { Exchange } from './exchange.js';
import type { Phone } from './phone.js';

/**
 * What sync can know of when somebody was granted something: the host is asked at the beginning of each request, and
 * at no other time.
 */
export type Sight = (granted: readonly Interval[]) => readonly Interval[];

/** A grant that is found at the beginning of a request holds until its end, though it may be revoked meanwhile. */
export function ofRequest({ sent, received }: Exchange): Sight {
  return foundBy([{ from: sent, to: received }]);
}

/**
 * Of deletes, which come from the log: what an earlier request may have shown may be told to be gone. What was lost and
 * granted again between two requests counts as kept, and what was granted when the device's snapshot began counts from
 * where the log stood then.
 */
export function ofLog(
  { phone, snapshotAt, sent, received }: Exchange,
  appliedUntil: (time: number) => number,
): Sight {
  const loggedAt = snapshotAt === 0 ? 0 : appliedUntil(snapshotAt);
  // The host is asked somewhere within its first request.
  const begunBy = phone.looks.find(({ from }) => from >= snapshotAt)?.to ?? snapshotAt;
  const found = foundBy([...phone.looks, ...phone.unanswered, { from: sent, to: received }]);
  return (granted) =>
    joinedUnlessSeen(
      found(granted).map(({ from, to }) =>
        from <= begunBy && to >= snapshotAt ? { from: Math.min(from, loggedAt), to } : { from, to },
      ),
      phone.looks,
    );
}

/** What was certainly stored for a device: what it asked for after the grant, once the consumer had done it. */
export function ofStored(phone: Phone): Sight {
  return (granted) =>
    granted
      .map(({ from, to }) => ({ from: phone.subscribedFrom(from), to }))
      .filter(({ from, to }) => from < to);
}

function foundBy(requests: readonly Interval[]): Sight {
  return (granted) =>
    granted.map(({ from, to }) => {
      const finding = requests.filter((request) => from <= request.to && to >= request.from);
      return { from, to: Math.max(to, ...finding.map((request) => request.to)) };
    });
}
