export interface WaitOptions {
  /** How long to try, in milliseconds. Default: 20,000. */
  readonly timeout?: number;
  /** Pause between two tries, in milliseconds. Default: 25. */
  readonly interval?: number;
}

/**
 * Tries `attempt` until it neither throws nor answers `false`, and returns its answer.
 *
 * @throws What the last attempt threw, or an Error naming the condition, once the time is over.
 */
export async function eventually<T>(
  attempt: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<Exclude<T, false>> {
  const { timeout = 20_000, interval = 25 } = options;
  const deadline = performance.now() + timeout;
  for (;;) {
    try {
      const answer = await attempt();
      if (answer !== false) return answer as Exclude<T, false>;
      if (performance.now() >= deadline)
        throw new Error(`Still false after ${timeout} ms: ${attempt.toString()}`);
    } catch (error) {
      if (performance.now() >= deadline) throw error;
    }
    await pause(interval);
  }
}

/** For what can only be observed by its absence; to wait for something to happen, use {@link eventually}. */
export async function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
