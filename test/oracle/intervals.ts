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
