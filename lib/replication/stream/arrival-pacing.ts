/**
 * A tick that brought less than this is followed by a short pause: the walsender then sends larger pieces. But only
 * where much comes: a commit that comes alone is not made to wait.
 */
const COALESCE_BYTES = 32 * 1024;
const BUSY_BYTES = 8 * 1024;
const BUSY_MS = 10;

/** Counts arrivals, to decide when a pause of {@link PAUSE_MS} pays. */
export class ArrivalPacing {
  private bytesThisTick = 0;
  /** Arrivals since a moment no longer ago than {@link BUSY_MS}. */
  private lately = { since: 0, bytes: 0 };

  /** @returns whether it is the first of its tick */
  add(bytes: number): boolean {
    const isFirst = this.bytesThisTick === 0;
    this.bytesThisTick += bytes;
    return isFirst;
  }

  /**
   * @param began when the tick's first bytes came, milliseconds
   * @returns whether a pause pays
   */
  endTick(began: number): boolean {
    const bytes = this.bytesThisTick;
    this.bytesThisTick = 0;
    if (began - this.lately.since > BUSY_MS) this.lately = { since: began, bytes: 0 };
    this.lately.bytes += bytes;
    return bytes < COALESCE_BYTES && this.lately.bytes >= BUSY_BYTES;
  }
}

/** Milliseconds. */
export const PAUSE_MS = 1;
