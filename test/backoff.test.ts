import { describe, expect, it } from 'vitest';
import { backoff, pause } from '../lib/replication/backoff.js';

describe('the backoff', () => {
  it('doubles from 100 ms to 10 s, and stays there', () => {
    const waits = [0, 1, 2, 3, 6, 7, 100, 10_000].map((attempt) => backoff(attempt, () => 0));
    expect(waits).toEqual([100, 200, 400, 800, 6_400, 10_000, 10_000, 10_000]);
  });

  it('takes up to half of it off by chance, so that instances do not come at once', () => {
    expect(backoff(3, () => 0.5)).toBe(600);
    expect(backoff(3, () => 1)).toBe(400);
    for (let n = 0; n < 100; n++) {
      expect(backoff(3)).toBeGreaterThanOrEqual(400);
      expect(backoff(3)).toBeLessThanOrEqual(800);
    }
  });
});

describe('a pause', () => {
  it('ends at once when it is aborted, before or meanwhile', async () => {
    const controller = new AbortController();
    const paused = pause(60_000, controller.signal);
    controller.abort();
    await paused;
    await pause(60_000, controller.signal);
  });
});
