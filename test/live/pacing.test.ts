import { describe, expect, it } from 'vitest';
import {
  jittered,
  nextReadIn,
  pokeDue,
  pokeInterval,
  PokeRate,
  retryAfter,
  spreadOver,
} from '../../lib/live/pacing.js';

describe('the pacing of pokes', () => {
  it('pokes for the first time at once, then with a pause between two', () => {
    const times = { now: 1_000, last: -Infinity, delay: 0, interval: 100 };
    expect(pokeDue(times)).toBe(1_000);
    expect(pokeDue({ ...times, last: 950 })).toBe(1_050);
    expect(pokeDue({ ...times, last: 950, delay: 70 })).toBe(1_070);
    expect(pokeDue({ ...times, last: 100 })).toBe(1_000);
  });

  it('has a device wait the longer for the next poke, the more pokes all devices have', () => {
    const rate = new PokeRate();
    expect(pokeInterval(rate.lately(0), 100)).toBe(0);
    for (let n = 0; n < 40; n += 1) rate.add(n * 25);
    const steady = rate.lately(1_000);
    expect(steady).toBeGreaterThan(20);
    expect(steady).toBeLessThan(30);
    expect(pokeInterval(steady, 100)).toBe(steady / 2);
    expect(pokeInterval(1_000, 100)).toBe(100);
    expect(rate.lately(2_000)).toBeCloseTo(steady / Math.E);
    expect(rate.lately(20_000)).toBeCloseTo(0);
  });

  it('spreads many devices, by no more than five seconds', () => {
    expect(spreadOver(1)).toBe(0.5);
    expect(spreadOver(1_000)).toBe(500);
    expect(spreadOver(10_000)).toBe(5_000);
    expect(spreadOver(1_000_000)).toBe(5_000);
  });

  it('takes a tenth more or less', () => {
    expect([jittered(20_000, 0), jittered(20_000, 0.5), jittered(20_000, 1)]).toEqual([
      18_000, 20_000, 22_000,
    ]);
  });

  it('has those who are ended together come back apart', () => {
    expect(retryAfter('shutdown', 1, 0)).toBe(200);
    expect(retryAfter('shutdown', 1, 1)).toBe(1_200);
    expect(retryAfter('shutdown', 10_000, 1)).toBe(10_200);
    expect(retryAfter('replaced', 1, 0)).toBe(5_000);
  });

  it('looks at once when it is told to, and else often', () => {
    expect(nextReadIn(true)).toBe(5);
    expect(nextReadIn(false)).toBe(30);
  });
});
