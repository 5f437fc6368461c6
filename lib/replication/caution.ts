import type { Lsn } from '../common/lsn.js';

/** Where one row can't be written there are others like it: a session that fails for each takes longer than care. */
const LONGEST_CARE_MS = 60_000;

/**
 * When the log is written carefully (see `poison-rows.ts`): that takes longer, so only after something could not be written,
 * until what was read by then has been, and for a while.
 */
export class Caution {
  private lsn: Lsn = 0n;
  private time = -Infinity;

  /** @param confirmed up to where all is written */
  isDue(confirmed: Lsn): boolean {
    return confirmed <= this.lsn || performance.now() < this.time;
  }

  /**
   * Something could not be written.
   * @param reached how far the stream was read by then
   * @returns false when care was taken already, so that it is not for the sake of a row
   */
  take(reached: Lsn): boolean {
    if (performance.now() < this.time) return false;
    if (reached > this.lsn) this.lsn = reached;
    this.prolong();
    return true;
  }

  /** There are such rows. */
  prolong(): void {
    this.time = performance.now() + LONGEST_CARE_MS;
  }
}
