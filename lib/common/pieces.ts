import { setImmediate as others } from 'node:timers/promises';

/** Work that can be broken off between two pieces, each of a millisecond or so. */
export type Pieces<Result> = Generator<void, Result>;

/** Longest time for which nobody else is served. */
const TURN_MS = 10;

/** Does work without a break. */
export function atOnce<Result>(pieces: Pieces<Result>): Result {
  for (;;) {
    const { done, value } = pieces.next();
    if (done === true) return value;
  }
}

/** Does work that may take long, and lets others have their turn meanwhile; work that is short is done without a break. */
export async function inTurns<Result>(pieces: Pieces<Result>): Promise<Result> {
  let began = performance.now();
  for (;;) {
    const { done, value } = pieces.next();
    if (done === true) return value;
    if (performance.now() - began < TURN_MS) continue;
    await others();
    began = performance.now();
  }
}
