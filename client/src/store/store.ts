import type { Entry, Meta, RecordKey, Refused, Row } from '../records/record.js';
import type { Schema } from '../wire/messages.js';

/** Holds rows and pending edits. No decision of the engine depends on the kind of store. */
export interface Store {
  /** Opens the data of one user, and makes it where there is none. @throws SyncError `store_of_another_user` */
  open(user: string): Promise<OpenStore>;
}

export interface OpenStore {
  /** `memory` where nothing survives the process or tab. */
  readonly storage: 'durable' | 'memory';
  /** Connects the tabs that share this store; null where it is never shared. */
  readonly tabs: Tabs | null;
  /**
   * Reads, decides and writes in one atomic transaction; none of this or another tab comes between.
   * `decide` is synchronous, and a throw leaves the store as it was.
   */
  transact<Result>(reads: Reads, decide: (state: State) => Decision<Result>): Promise<Result>;
  /** All rows of a table, by id. */
  readTable(table: string): Promise<Map<string, Row>>;
  close(): Promise<void>;
  /**
   * Removes everything: later transactions throw `closed`, those of other tabs, too.
   *
   * @param check sees what goes within the same transaction; where it throws, nothing is removed
   */
  destroy(check?: (last: LastState) => void): Promise<void>;
}

export interface Reads {
  readonly rows?: readonly RecordKey[];
  readonly entries?: 'all' | readonly RecordKey[];
  readonly refused?: boolean;
  readonly schema?: boolean;
}

/** The result of {@link Reads}; maps have keys of {@link keyOf}. */
export interface State {
  /** null in a store that was just made. */
  readonly meta: Meta | null;
  readonly rows: ReadonlyMap<string, StoredRow>;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly refused: ReadonlyMap<string, Refused>;
  readonly schema: Schema | null;
}

/** The meta and the refused edits of a store at the moment when it is emptied. */
export type LastState = Pick<State, 'meta' | 'refused'>;

export interface StoredRow {
  readonly row: Row;
  readonly stamp: number;
}

export interface Writes {
  readonly meta?: Meta;
  readonly schema?: Schema;
  readonly rows?: readonly RowWrite[];
  readonly entries?: readonly EntryWrite[];
  readonly refused?: readonly RefusedWrite[];
  /** Removes rows that carry another stamp, but for those with a pending edit. */
  readonly sweep?: number;
}

export interface RowWrite extends RecordKey {
  /** null: removes it. */
  readonly row: Row | null;
  readonly stamp: number;
}

export interface EntryWrite extends RecordKey {
  readonly entry: Entry | null;
}

export interface RefusedWrite {
  readonly key: string;
  readonly refused: Refused | null;
}

export interface Decision<Result> {
  readonly writes?: Writes;
  readonly result: Result;
}

/** The channel between tabs that share a store. */
export interface Tabs {
  /** Sends a message to the other tabs. */
  post(message: unknown): void;
  /** @param listener gets other tabs' messages, and {@link MISSED} after some may have been lost */
  listen(listener: (message: unknown) => void): () => void;
  /**
   * Calls `lead` whenever this tab is the one that talks to the server. The signal aborts when another tab took the lead,
   * or this one leaves; the lead ends when the promise resolves.
   * @returns what leaves the election, and resolves when a lead under way has ended
   */
  elect(lead: (lost: AbortSignal) => Promise<void>): () => Promise<void>;
}

/** The message for a tab that may have missed others: the store may have later writes. */
export const MISSED = { type: 'missed' } as const;

export function isMissed(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'type' in message && message.type === MISSED.type;
}
