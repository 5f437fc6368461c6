/** From when (included) to when (not included), in microseconds since 1970. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

export function overlap(a: readonly Interval[], b: readonly Interval[]): readonly Interval[] {
  return a.flatMap((one) =>
    b
      .map((other) => ({ from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) }))
      .filter(({ from, to }) => from < to),
  );
}

/** Whether there is no moment from one to another (neither included) that none of them has. */
export function covers(intervals: readonly Interval[], from: number, to: number): boolean {
  let until = from;
  for (const next of intervals.toSorted((a, b) => a.from - b.from)) {
    if (next.from > until) break;
    until = Math.max(until, next.to);
  }
  return until >= to;
}

/** The same, joined where none of the looks lies between two. */
export function joinedUnlessSeen(
  intervals: readonly Interval[],
  looks: readonly Interval[],
): readonly Interval[] {
  const joined: Interval[] = [];
  for (const next of intervals.toSorted((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (last && !looks.some(({ from, to }) => from >= last.to && to <= next.from))
      joined.splice(-1, 1, { from: last.from, to: Math.max(last.to, next.to) });
    else joined.push(next);
  }
  return joined;
}
