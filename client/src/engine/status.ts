import type { Trouble } from '../timing/backoff.js';

/** The state of the sync. */
export interface Status {
  /**
   * `live`: the server announces changes at once. `polling`: the client pulls every 30 s. `connecting`: no answer yet.
   * `offline`: no answer, or a failure; the client tries again. `needs-auth`: the server refuses the token.
   * `needs-upgrade`: the server refuses this version of the app. Reads and writes go on in all of them.
   */
  readonly phase: 'live' | 'polling' | 'connecting' | Trouble;
  /** `memory`: nothing survives the tab or process. `full`: the last write had no space. */
  readonly storage: 'durable' | 'memory' | 'full';
  /** Records with edits that the server has not answered yet. */
  readonly pending: number;
  /** Edits in `sync.rejected`. */
  readonly rejected: number;
  /** The first sync under way, or null: rows received so far. */
  readonly firstSync: { readonly rows: number } | null;
  /** The end of the last pull: ISO, UTC, by this device's clock; null before the first one. */
  readonly lastPulledAt: string | null;
  /** The message of the last failure, until a request succeeds. */
  readonly error: string | null;
}

/** The status that the leading tab sends to the others. */
export type SharedStatus = Pick<Status, 'phase' | 'lastPulledAt' | 'error'>;

export const INITIAL_STATUS: SharedStatus = { phase: 'connecting', lastPulledAt: null, error: null };
