/** Microseconds. */
export const MINUTE = 60_000_000n;
/** About 10 MB. */
const MOST = 50_000;

/**
 * Commit times of removed rows, kept for a minute: a row that is put back as it was is not a new one (W-HOST-64). A
 * session starts without those of the one before.
 */
export class RecentRemovals {
  /** In the order of the removals. */
  private readonly times = new Map<string, bigint>();

  /** @param time of the commit, microseconds */
  add(table: string, recordId: string, time: bigint): void {
    const row = key(table, recordId);
    this.times.delete(row);
    this.times.set(row, time);
    for (const [oldest, removedAt] of this.times) {
      if (this.times.size <= MOST && removedAt >= time - MINUTE) break;
      this.times.delete(oldest);
    }
  }

  timeOf(table: string, recordId: string): bigint | undefined {
    return this.times.size === 0 ? undefined : this.times.get(key(table, recordId));
  }
}

function key(table: string, recordId: string): string {
  return `${table} ${recordId}`;
}
