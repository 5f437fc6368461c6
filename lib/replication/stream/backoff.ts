import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait before the n-th try (from 0): doubling from 100 ms to 10 s, less up to half of it by chance. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  const limit = Math.min(10_000, 100 * 2 ** Math.min(attempt, 10));
  return limit * (1 - random() / 2);
}

/** How a session ended, as far as the next try is concerned. */
export interface SessionEnd {
  /** Another instance consumes. */
  readonly standby: boolean;
  /** The session applied something, so its end is no reason to wait longer. */
  readonly progressed: boolean;
  readonly milliseconds: number;
}

/** The number of the next try: 0 after a session that was good, one more after each one that failed. */
export function nextAttempt(attempt: number, { standby, progressed, milliseconds }: SessionEnd): number {
  return standby || progressed || milliseconds > STABLE_MS ? 0 : attempt + 1;
}

/** A session that lasted this long was a good one, though there was nothing to apply. */
const STABLE_MS = 30_000;

/** Waits, or returns early when the signal is aborted. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
