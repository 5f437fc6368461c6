const KEPT = 1_000;

/** Keeps the latest times from a commit to its poke, in milliseconds. */
export class PokeTimes {
  private readonly times: number[] = [];
  private count = 0;

  add(milliseconds: number): void {
    this.times[this.count % KEPT] = milliseconds;
    this.count += 1;
  }

  /** null when there is none yet. */
  get report(): { readonly p50: number; readonly p99: number } | null {
    if (this.times.length === 0) return null;
    const sorted = this.times.toSorted((a, b) => a - b);
    const at = (part: number): number =>
      Math.round((sorted[Math.floor((sorted.length - 1) * part)] ?? 0) * 10) / 10;
    return { p50: at(0.5), p99: at(0.99) };
  }
}
