import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait before the n-th try (from 0): doubling from 100 ms to 10 s, less up to half of it by chance. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const limit = Math.min(10_000, 100 * 2 ** Math.min(attempt, 10));
  return limit * (1 - random() / 2);
}

/** Waits, or returns early when the signal is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
