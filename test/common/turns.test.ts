import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nextTurn } from '../../lib/common/pieces.js';
import { countRounds, type Rounds } from '../support/rounds.js';

const TURNS = 20;

/** Milliseconds, so that a busy machine is no part of it. */
let clock = 0;

/** In which rounds a work of some turns has them, each of which takes 2 ms. */
async function roundsOf(rounds: Rounds): Promise<readonly number[]> {
  const taken: number[] = [];
  while (taken.length < TURNS) {
    await nextTurn();
    taken.push(rounds.count);
    clock += 2;
  }
  return taken;
}

function gaps(rounds: readonly number[]): readonly number[] {
  return rounds.slice(1).map((round, n) => round - (rounds[n] ?? 0));
}

/** Others have so many milliseconds of work in each round. */
function busy(milliseconds: number): Rounds {
  const rounds = countRounds();
  const work = (): void => {
    clock += milliseconds;
    if (!isStopped) setImmediate(work);
  };
  let isStopped = false;
  setImmediate(work);
  return {
    get count() {
      return rounds.count;
    },
    stop: () => {
      isStopped = true;
      rounds.stop();
    },
  };
}

describe('long work', () => {
  let rounds: Rounds | undefined;
  beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => clock));
  afterEach(() => {
    rounds?.stop();
    vi.restoreAllMocks();
  });

  it('goes on when others have nothing to do [W-LOAD-32]', async () => {
    rounds = busy(0);
    for (const gap of gaps(await roundsOf(rounds))) expect(gap).toBe(2);
  });

  it('waits while others have, and yet goes on [W-LOAD-32]', async () => {
    rounds = busy(1);
    for (const gap of gaps(await roundsOf(rounds))) {
      expect(gap).toBeGreaterThan(5);
      expect(gap).toBeLessThan(15);
    }
  });

  it('of many is done in turn, one in a round', async () => {
    rounds = busy(0);
    const [one, other] = await Promise.all([roundsOf(rounds), roundsOf(rounds)]);
    expect(new Set([...one, ...other]).size).toBe(2 * TURNS);
    expect(Math.abs((one.at(-1) ?? 0) - (other.at(-1) ?? 0))).toBeLessThan(5);
  });
});
