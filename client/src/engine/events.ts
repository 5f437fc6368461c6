import type { Refused } from '../records/record.js';
import type { Write } from './edits.js';

/** An edit that lost against the server's version. It stays in `sync.rejected` until a listener has handled it. */
export interface Conflict extends Refused {
  readonly status: 'conflict';
  /** The values that the user wanted to write; empty for a delete. */
  readonly mine: Refused['patch'];
  /** Makes the edit again, on top of the server's version. */
  keepMine(): Promise<Write>;
}

export interface SyncEvents {
  /** Called in one tab. Until the returned promise has resolved, the edit stays in `sync.rejected`. */
  conflict: (conflict: Conflict) => void | Promise<void>;
  /** Called in every tab; the edit stays in `sync.rejected`. */
  rejected: (edit: Refused) => void;
}
