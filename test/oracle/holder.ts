import type { Facts } from './history.js';
import type { Operation } from './operation.js';
import type { Violation } from './violation.js';
import type { Watch } from './watch.js';

/** Whatever holds rows for a user, once everything has come to rest. */
export interface Holder {
  readonly userId: string;
  /** For messages, where the user has several. */
  readonly name?: string;
  /** Rows of which the server knows nothing, by table and id: they may stay as they are. */
  readonly left: Set<string>;
  rows(table: string): ReadonlyMap<string, Facts>;
}

/** Devices of another client than the oracle's own, beside its phones in the same world. */
export interface Fleet {
  perform(operation: Operation): Promise<void>;
  /** Ends every fault of the devices, and lets each catch up. @returns what keeps one from it */
  catchUp(): Promise<readonly Violation[]>;
  /** What the devices hold now. */
  holders(): Promise<readonly Holder[]>;
  /** Judges what became of everything that was typed; called at rest, with all that was committed. */
  judge(watch: Watch): Promise<readonly Violation[]>;
}
