/** Work that can be broken off between two pieces, each of a millisecond or so. */
export type Pieces<Result> = Generator<void, Result>;

/** Longest time for which nobody else is served. A pull takes several turns of the event loop, and waits as often. */
const TURN_MS = 2;

/** Does work without a break. */
export function atOnce<Result>(pieces: Pieces<Result>): Result {
  for (;;) {
    const { done, value } = pieces.next();
    if (done === true) return value;
  }
}

/** Does work that may take long, and lets others have their turn meanwhile; work that is short is done without a break. */
export async function inTurns<Result>(pieces: Pieces<Result>): Promise<Result> {
  const turns = new Turns();
  for (;;) {
    const { done, value } = pieces.next();
    if (done === true) return value;
    if (turns.isOver) await turns.next();
  }
}

/** The turns of work that is no {@link Pieces}, as it waits for other things, too. */
export class Turns {
  private began = performance.now();

  get isOver(): boolean {
    return performance.now() - this.began >= TURN_MS;
  }

  async next(): Promise<void> {
    await nextTurn();
    this.began = performance.now();
  }
}

/** Works that wait for their turn: one has it at a time, however many there are. */
const waiting: (() => void)[] = [];

/** Milliseconds of a round of the event loop in which nobody else has had anything to do. */
const IDLE_MS = 0.2;
/** Longest time for which the others come first: on a busy server, large requests still get on. */
const LONGEST_WAIT_MS = 10;

let lastRound = 0;
let lastTurn = 0;

/** Resolves when this work, of all that wait, may go on: once the others have nothing to do, as theirs is short. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length > 1) return;
    lastTurn = performance.now();
    setImmediate(giveTurn);
  });
}

/** The round behind a turn, which includes it, is never an idle one. */
function giveTurn(): void {
  const now = performance.now();
  if (now - lastRound < IDLE_MS || now - lastTurn > LONGEST_WAIT_MS) {
    lastTurn = now;
    waiting.shift()?.();
  }
  lastRound = now;
  if (waiting.length > 0) setImmediate(giveTurn);
}
