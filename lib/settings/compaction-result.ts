/** The result of a compaction run, fit for JSON. */
export interface CompactionResult {
  /** Devices that have not pulled for longer than the threshold: they hold no history back until they pull again. */
  readonly deactivatedClients: number;
  /** The floor, as text, for it has 64 bits: entries up to here are gone; `0` when nothing was ever compacted. */
  readonly safeSeq: string;
  readonly deletedEntries: number;
  /** Devices that were forgotten. */
  readonly removedClients: number;
  /** Resolved rows of `sync_rule_failures`. */
  readonly removedFailures: number;
  /** Old rows of `sync_schema_manifest`. */
  readonly removedManifests: number;
}
