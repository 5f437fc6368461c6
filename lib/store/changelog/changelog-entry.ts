/** A changelog entry; its seq is given when it is appended. */
export interface ChangelogEntry {
  readonly table: string;
  readonly recordId: string;
  readonly bucket: string;
  readonly operation: number;
  /** Microseconds; null: the row's own time is served. */
  readonly servedAt: bigint | null;
}
