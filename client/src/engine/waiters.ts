import { keyOf, type RecordKey } from '../records/record.js';
import type { Verdict } from '../records/verdict.js';

/** The verdict on a record's edits up to a generation. */
export interface KeyedVerdict extends RecordKey {
  readonly generation: number;
  readonly verdict: Verdict;
}

/** Keeps the promises of verdicts. */
export class Waiters {
  private readonly waiting = new Map<string, { generation: number; resolve: (verdict: Verdict) => void }[]>();

  wait(key: RecordKey, generation: number): Promise<Verdict> {
    return new Promise((resolve) => {
      const waiting = this.waiting.get(keyOf(key)) ?? [];
      this.waiting.set(keyOf(key), [...waiting, { generation, resolve }]);
    });
  }

  resolve({ generation, verdict, ...key }: KeyedVerdict): void {
    const waiting = this.waiting.get(keyOf(key)) ?? [];
    for (const waiter of waiting) if (waiter.generation <= generation) waiter.resolve(verdict);
    const left = waiting.filter((waiter) => waiter.generation > generation);
    if (left.length > 0) this.waiting.set(keyOf(key), left);
    else this.waiting.delete(keyOf(key));
  }

  close(): void {
    for (const waiter of [...this.waiting.values()].flat()) waiter.resolve({ status: 'undecided' });
    this.waiting.clear();
  }
}
