import { groupBy } from '../../../common/collections.js';
import type { SqlRunner } from '../../../database/session.js';
import { badColumns } from './bad-columns.js';
import { type ChangeTries, MAX_TRIES } from './change-tries.js';
import { describeFailure, doubt, type Failure, failureVerdict } from './failures.js';
import { notOwned } from '../writing/judge.js';
import type { Parking } from '../parking/parking.js';
import type { PushItem, PushResult } from '../push-change.js';
import type { PushRows } from '../sql/push-rows.js';
import { retryable } from '../verdicts.js';

/** The inputs of the final verdicts on failed changes. */
interface FinalState {
  /** In the role that wrote. */
  readonly host: SqlRunner;
  readonly rows: PushRows;
  readonly parking: Parking;
  /** Parents first. */
  readonly byRank: (a: PushItem, b: PushItem) => number;
  readonly tries: ChangeTries;
}

export interface FinalVerdicts {
  readonly verdicts: ReadonlyMap<PushItem, PushResult>;
  /** Those that are not to be written, and why. */
  readonly rejected: ReadonlyMap<PushItem, Failure>;
}

/**
 * The verdicts on changes that failed whenever they were tried. Those that only miss a parent, which may yet come, are
 * parked, and so stays what was parked before. Those of which it is open whether they always fail are to be sent again, a
 * bounded number of times.
 */
export async function finalVerdicts(
  failures: ReadonlyMap<PushItem, Failure>,
  { host, rows, parking, byRank, tries }: FinalState,
): Promise<FinalVerdicts> {
  const missing = [...failures].filter(([, { kind }]) => kind === 'parent_missing');
  const foreign = await rows.withForeignParent(missing.map(([item]) => item));
  const verdicts = new Map<PushItem, PushResult>();
  const rejected = new Map<PushItem, Failure>();
  const again = await toBeTriedAgain(
    [...failures].filter(([item]) => !parking.holds(item)),
    tries,
  );
  const columns = await badColumns(host, failures);
  const lost = new Set<string>();
  const parentsFirst = [...failures.keys()].toSorted(byRank);
  for (const [key, items] of groupBy(parentsFirst, (item) => item.key)) {
    const [head] = items;
    const failure = failures.get(head);
    if (!failure) continue;
    const isForeign = foreign.has(head);
    // A parent that this very push could not create does not come.
    const waits = failure.kind === 'parent_missing' && !isForeign && !lost.has(rows.parentKey(head) ?? '');
    const stays = waits || (parking.holds(head) && !isForeign);
    const kept = stays ? await parking.keep(items, waits ? null : describeFailure(head, failure)) : null;
    if (kept) {
      for (const [item, verdict] of kept) verdicts.set(item, verdict);
      continue;
    }
    if (isForeign) parking.unpark(head);
    const reason = again.get(head);
    if (reason === undefined) lost.add(key);
    for (const item of items) {
      const why = failures.get(item) ?? failure;
      const row = rows.get(item);
      rejected.set(item, why);
      if (reason !== undefined) {
        verdicts.set(item, retryable(item.ref, ...reason));
        continue;
      }
      verdicts.set(
        item,
        foreign.get(item) === 'seen'
          ? notOwned(item, row)
          : failureVerdict(item, why, row, columns.get(item) ?? null),
      );
    }
  }
  return { verdicts, rejected };
}

type Reason = readonly [reason: string, message: string];

/** Counts the doubtful ones; those that have been tried often enough are refused. @returns the reason of each other one */
async function toBeTriedAgain(
  failures: readonly (readonly [PushItem, Failure])[],
  tries: ChangeTries,
): Promise<ReadonlyMap<PushItem, Reason>> {
  const again = new Map<PushItem, Reason>();
  const doubtful = failures.flatMap(([item, failure]) => {
    if (failure.kind === 'postponed') again.set(item, POSTPONED);
    const why = doubt(failure);
    return why ? { item, change: item.change, error: why.error } : [];
  });
  const counts = await tries.count(doubtful);
  const isRefused = ({ change }: { change: PushItem['change'] }): boolean =>
    (counts.get(change) ?? 0) >= MAX_TRIES;
  await tries.refuse(doubtful.filter(isRefused));
  for (const each of doubtful) if (!isRefused(each)) again.set(each.item, INTERNAL);
  return again;
}

const POSTPONED: Reason = ['too_many_failures', 'too many other changes of this push have failed'];
const INTERNAL: Reason = ['internal_error', 'internal error'];
