import { groupBy } from '../../common/collections.js';
import { describeFailure, type Failure, failureVerdict } from './failures.js';
import { notOwned } from './judge.js';
import type { Parking } from './parking.js';
import type { PushItem, PushResult } from './push-change.js';
import type { PushRows } from './push-rows.js';

/** What the last word on failed changes depends on. */
interface FinalState {
  readonly rows: PushRows;
  readonly parking: Parking;
  /** Parents first. */
  readonly byRank: (a: PushItem, b: PushItem) => number;
}

export interface FinalVerdicts {
  readonly verdicts: ReadonlyMap<PushItem, PushResult>;
  /** Those that are not to be written, and why. */
  readonly rejected: ReadonlyMap<PushItem, Failure>;
}

/**
 * The verdicts on changes that failed whenever they were tried. Those that only miss a parent, which may yet come, are
 * parked, and so stays what was parked before.
 */
export async function finalVerdicts(
  failures: ReadonlyMap<PushItem, Failure>,
  { rows, parking, byRank }: FinalState,
): Promise<FinalVerdicts> {
  const missing = [...failures].filter(([, { kind }]) => kind === 'parent_missing');
  const foreign = await rows.withForeignParent(missing.map(([item]) => item));
  const verdicts = new Map<PushItem, PushResult>();
  const rejected = new Map<PushItem, Failure>();
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
    if (isForeign) parking.settle(head);
    lost.add(key);
    for (const item of items) {
      const why = failures.get(item) ?? failure;
      const row = rows.get(item);
      rejected.set(item, why);
      verdicts.set(item, foreign.get(item) === 'seen' ? notOwned(item, row) : failureVerdict(item, why, row));
    }
  }
  return { verdicts, rejected };
}
