import { describe, expect, it } from 'vitest';
import { prefetched } from '../../lib/replication/membership/rows-with-edges.js';

/** Notes what it is asked for, and fails when asked for one. */
function source(asked: number[], failing = 0): AsyncGenerator<number> {
  return (async function* (): AsyncGenerator<number> {
    for (let n = 1; n <= 4; n++) {
      asked.push(n);
      // What a server answers comes in a later turn.
      await new Promise((resolve) => setImmediate(resolve));
      if (n === failing) throw new Error(`${n} can't be read`);
      yield n;
    }
  })();
}

describe('reading ahead', () => {
  it('asks for the next one before the one at hand is worked on, and for no more', async () => {
    const asked: number[] = [];
    const seen: [number, number | undefined][] = [];
    for await (const n of prefetched(source(asked))) seen.push([n, asked.at(-1)]);
    expect(seen).toEqual([
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 4],
    ]);
  });

  it('fails where the one fails that was asked for, after those before it', async () => {
    const seen: number[] = [];
    const reading = (async () => {
      for await (const n of prefetched(source([], 3))) seen.push(n);
    })();
    await expect(reading).rejects.toThrow("3 can't be read");
    expect(seen).toEqual([1, 2]);
  });

  it.each([0, 2])('asks for nothing more once the work has failed (%i can not be read)', async (failing) => {
    const asked: number[] = [];
    const work = (async () => {
      for await (const n of prefetched(source(asked, failing))) throw new Error(`${n} can't be done`);
    })();
    await expect(work).rejects.toThrow("1 can't be done");
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toEqual([1, 2]);
  });
});
