import { describe, expect, it } from 'vitest';
import { backoff, nextAttempt, pause } from '../../../lib/replication/stream/backoff.js';

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

describe('the next try', () => {
  const failed = { standby: false, progressed: false, milliseconds: 100 };

  it('waits longer each time that a session ends without having applied anything', () => {
    expect(nextAttempt(0, failed)).toBe(1);
    expect(nextAttempt(6, failed)).toBe(7);
  });

  it.each([
    ['applied something, however short it was', { ...failed, progressed: true }],
    ['lasted for more than half a minute', { ...failed, milliseconds: 30_001 }],
    ['found another instance at work', { ...failed, standby: true }],
  ])('begins again after a session that %s', (_, end) => {
    expect(nextAttempt(6, end)).toBe(0);
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
