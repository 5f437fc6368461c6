/** Stable codes of what can go wrong; messages may change, codes don't. */
export type SynchroErrorCode =
  | 'configuration_invalid'
  | 'wal_level_not_logical'
  | 'permission_missing'
  | 'primary_key_missing'
  | 'publication_invalid'
  | 'replica_identity_missing'
  | 'slot_busy'
  | 'slot_lost'
  | 'position_conflict'
  | 'decode_failed'
  | 'not_caught_up'
  | 'schema_unsupported'
  | 'schema_mismatch'
  | 'client_not_registered'
  | 'client_stale'
  | 'compaction_not_configured'
  | 'upgrade_required'
  | 'user_missing'
  | 'bad_request'
  | 'temporarily_unavailable';

/**
 * What went wrong, with which object, and what to do about it. Thrown where it is understood; turned into an
 * HTTP status only at the edge.
 */
export class SynchroError extends Error {
  override readonly name = 'SynchroError';

  /**
   * @param code stable machine-readable code
   * @param message what went wrong and with which object, in one sentence
   * @param remedy the exact SQL, setting or step that mends it, if there is one
   */
  constructor(
    readonly code: SynchroErrorCode,
    message: string,
    readonly remedy?: string,
    options?: ErrorOptions,
  ) {
    super(remedy === undefined ? message : `${message}\n  To mend it: ${remedy}`, options);
  }
}
