/** What a compaction run has done. */
export interface CompactionResult {
  /** Devices that have not synced for longer than the threshold, and no longer hold history back. */
  readonly deactivatedClients: number;
  /** The floor: entries up to here are gone; 0 when nothing was ever compacted. */
  readonly safeSeq: bigint;
  readonly deletedEntries: number;
}
