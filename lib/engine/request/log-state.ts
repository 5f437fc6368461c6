/** Where the changelog stands. */
export interface LogState {
  /** High-water mark: the last seq ever issued. */
  readonly lastSeq: bigint;
  /** Below it, history was compacted away. */
  readonly floorSeq: bigint;
  /** Below it, checkpoints are of an older epoch, or of subscriptions that changed by too much for this client. */
  readonly epochSeq: bigint;
  /**
   * The slot has been read further than the log says: the sync tables were restored from an older copy, or the slot
   * was made again. Memberships are out of date until the WAL consumer starts an epoch.
   */
  readonly isOutdated: boolean;
}
