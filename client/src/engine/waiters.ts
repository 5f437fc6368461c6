import { put } from '../records/put.js';
import { keyOf, type RecordKey } from '../records/record.js';
import { generationOf, type Verdict } from '../records/verdict.js';
import type { State } from '../store/store.js';

/** The verdict on a record's edits up to a generation. */
export interface KeyedVerdict extends RecordKey {
  readonly generation: number;
  readonly verdict: Verdict;
}

interface Waiter {
  readonly generation: number;
  readonly resolve: (verdict: Verdict) => void;
}

/** Keeps the promises of verdicts. */
export class Waiters {
  private readonly waiting = new Map<string, readonly Waiter[]>();

  wait(key: RecordKey, generation: number): Promise<Verdict> {
    return new Promise((resolve) => {
      const waiting = this.waiting.get(keyOf(key)) ?? [];
      this.waiting.set(keyOf(key), [...waiting, { generation, resolve }]);
    });
  }

  resolve({ generation, verdict, ...key }: KeyedVerdict): void {
    this.answer(keyOf(key), (waiter) => (waiter.generation <= generation ? verdict : undefined));
  }

  /**
   * Resolves what was decided while this tab heard nothing, once messages that were under way have had time to come. The
   * store has refusals and what is pending; of the rest it can't tell whether the server applied it or another tab took
   * it back.
   */
  resolveMissed(state: State): void {
    setTimeout(() => {
      for (const key of this.waiting.keys()) this.answer(key, (waiter) => missedVerdict(state, key, waiter));
    }, UNDER_WAY);
  }

  close(): void {
    for (const key of this.waiting.keys()) this.answer(key, () => UNDECIDED);
  }

  /** Resolves a record's promises that have a verdict. */
  private answer(key: string, verdictOn: (waiter: Waiter) => Verdict | undefined): void {
    const open = (this.waiting.get(key) ?? []).filter((waiter) => {
      const verdict = verdictOn(waiter);
      if (verdict) waiter.resolve(verdict);
      return !verdict;
    });
    put(this.waiting, key, open.length > 0 ? open : null);
  }
}

const UNDECIDED: Verdict = { status: 'undecided' };
/** How long messages of a tab that is gone may be under way, in milliseconds. */
const UNDER_WAY = 1_000;

function missedVerdict(
  { meta, entries, refused }: State,
  key: string,
  { generation }: Waiter,
): Verdict | undefined {
  const item = [...refused.values()].find((each) => keyOf(each) === key && generationOf(each) >= generation);
  if (item) return { status: item.status, reason: item.reason, message: item.message };
  // The edit is pending, or from after the state was read.
  const isOpen = entries.has(key) || generation > (meta?.generation ?? 0);
  return isOpen ? undefined : UNDECIDED;
}
