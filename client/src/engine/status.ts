import type { Trouble } from '../timing/backoff.js';

/** How the sync is doing. */
export interface Status {
  /**
   * `live`: the server says at once when there is something. `polling`: it is asked every 30 s. `connecting`: no answer
   * yet. `offline`: no answer, or none that helps; it is tried again. `needs-auth`: the server refuses the token.
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
  /** ISO, UTC, by this device's clock; null before the first time. */
  readonly lastPulledAt: string | null;
  /** Of the last failure, until something succeeds. */
  readonly error: string | null;
}

/** The status that the leading tab sends to the others. */
export type SharedStatus = Pick<Status, 'phase' | 'lastPulledAt' | 'error'>;

export const INITIAL_STATUS: SharedStatus = { phase: 'connecting', lastPulledAt: null, error: null };
