/** How to resolve rows again without a change of their own. */
export interface ReresolveOptions {
  /** The time to serve with entries that need one, microseconds. */
  readonly time: bigint;
  /** Buckets that a row keeps get an entry, too: their rows may have changed unseen. Default: false. */
  readonly refresh?: boolean;
  /** They get one where the row's `updated_at` is later than devices have seen it. Default: false. */
  readonly compare?: boolean;
  /**
   * Only children of certain parents: of those that the log, too, knows as theirs, as their buckets changed, or of these,
   * for which they have waited. The others have moved since, as their own changes will say. Default: all rows.
   */
  readonly childrenOf?: 'theirs' | ReadonlySet<string>;
  /** No entries at all: every device takes a snapshot anyway, or there is none. Default: false. */
  readonly silent?: boolean;
  /**
   * Removes the edges of named rows that no longer exist now. Otherwise their own change removes them, possibly much
   * later: until then users who lost the rows would still get them. Default: false.
   */
  readonly removed?: boolean;
}
