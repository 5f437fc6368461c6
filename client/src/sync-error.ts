/** Stable codes of what this package throws. */
export type SyncErrorCode =
  | 'unknown_table'
  | 'unknown_column'
  | 'read_only_table'
  | 'read_only_column'
  | 'invalid_value'
  | 'record_exists'
  | 'record_not_found'
  | 'nothing_rejected'
  | 'no_schema'
  | 'not_caught_up'
  | 'edits_pending'
  | 'edits_rejected'
  | 'store_of_another_user'
  | 'stale_leader'
  | 'closed';

/** Says what went wrong, with which table, record or column, and what to do about it. */
export class SyncError extends Error {
  override readonly name = 'SyncError';

  constructor(
    readonly code: SyncErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
