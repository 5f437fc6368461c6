/** How rows are settled when it isn't their own change that calls for it. */
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
   * Of rows that are named and not there any more the edges go now. Else they go with the row's own change, which may
   * come much later: whoever has lost them by then would still be told. Default: false.
   */
  readonly removed?: boolean;
}
