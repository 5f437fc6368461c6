import type { Write } from './engine/edits.js';
import type { SyncEvents } from './engine/events.js';
import type { Status } from './engine/status.js';
import type { Observable } from './observable.js';
import type { Refused } from './records/record.js';
import type { CreateOf, RowOf, TablesOf, UpdateOf } from './tables.js';
import type { Table } from './view/table.js';
import type { TransactionTable } from './view/transaction.js';

export type TypedTable<Tables, Name extends keyof Tables> = Table<
  RowOf<Tables, Name>,
  CreateOf<Tables, Name>,
  UpdateOf<Tables, Name>
>;

export interface Transaction<Tables> {
  table<Name extends keyof Tables & string>(
    name: Name,
  ): TransactionTable<RowOf<Tables, Name>, CreateOf<Tables, Name>, UpdateOf<Tables, Name>>;
}

export interface Rejected extends Observable<readonly Refused[]> {
  /** Makes the edit again, and those that were taken along with it. @throws SyncError `nothing_rejected` */
  retry(key: string): Promise<readonly Write[]>;
  /** @throws SyncError `nothing_rejected` */
  discard(key: string): Promise<void>;
}

/** The result of {@link createSync}. */
export interface Sync<Tables extends TablesOf<Tables>> {
  readonly status: Observable<Status>;
  /** Edits that the server refused, and conflicts that no listener has handled. */
  readonly rejected: Rejected;
  table<Name extends keyof Tables & string>(name: Name): TypedTable<Tables, Name>;
  /**
   * Makes edits of several tables in one step here and one push there. A throw of `work` leaves everything as it was.
   * @returns the writes, in the order of their edits
   */
  transaction(work: (tx: Transaction<Tables>) => void | Promise<void>): Promise<readonly Write[]>;
  /** @returns what ends it */
  on<Name extends keyof SyncEvents>(event: Name, listener: SyncEvents[Name]): () => void;
  /**
   * Resolves when every write of this device has its verdict, and the rows that the server had by then are here.
   * @throws SyncError `not_caught_up` after `timeout` milliseconds. Default: 30,000.
   */
  caughtUp(options?: { readonly timeout?: number }): Promise<void>;
  /**
   * Ends this user's sync on this device, in all tabs. `push` sends pending edits first, and throws where that fails
   * within `timeout` milliseconds (default: 30,000); `keep` leaves the data for when the user comes back; `discard`
   * removes pending edits with the rest.
   * @throws SyncError `edits_pending`, or `edits_rejected` where the server refused one meanwhile, which is in
   * {@link Sync.rejected} then; nothing was removed, and the sync goes on
   */
  signOut(options?: {
    readonly pending?: 'push' | 'keep' | 'discard';
    readonly timeout?: number;
  }): Promise<void>;
  /** Ends requests and timers; the data stays. Later calls fail. */
  close(): Promise<void>;
}
