/** How rows are settled when it isn't their own change that calls for it. */
export interface ResettleOptions {
  /** The time to serve with entries that need one, microseconds. */
  readonly time: bigint;
  /** Buckets that a row keeps get an entry, too: their rows may have changed unseen. Default: false. */
  readonly refresh?: boolean;
  /** They get one where the row's `updated_at` is later than devices have seen it. Default: false. */
  readonly compare?: boolean;
  /**
   * The rows are read as children of these, whose buckets were these before: those of them that the log doesn't know as
   * such are left out. They came to their parent later than the log is: when it is there, what is their parent's by then
   * becomes theirs, and not what it is now.
   */
  readonly parents?: ReadonlyMap<string, ReadonlySet<string>>;
  /** No entries at all: every device takes a snapshot anyway, or there is none. Default: false. */
  readonly silent?: boolean;
  /**
   * Of rows that are named and not there any more the edges go now. Else they go with the row's own change, which may
   * come much later: whoever has lost them by then would still be told. Default: false.
   */
  readonly removed?: boolean;
}
