/** Rounds of the event loop: in each, others have their turn. */
export interface Rounds {
  /** So many have begun. */
  readonly count: number;
  stop(): void;
}

export function countRounds(): Rounds {
  const rounds = { count: 0, isStopped: false, stop: () => void (rounds.isStopped = true) };
  const next = (): void => {
    rounds.count++;
    if (!rounds.isStopped) setImmediate(next);
  };
  setImmediate(next);
  return rounds;
}
