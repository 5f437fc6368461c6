/** A row: database column → value. See docs/client.md for the value of each PostgreSQL type. */
export type Row = Readonly<Record<string, unknown>>;

export interface RecordKey {
  readonly table: string;
  readonly id: string;
}

export type Operation = 'create' | 'update' | 'delete';

/** The pending edit of one record: a record has one at most, into which later edits are merged. */
export interface Entry extends RecordKey {
  readonly operation: Operation;
  /** The columns to write; empty for a delete. */
  readonly patch: Row;
  /** The server's version that the edit began from; null for a create. */
  readonly base: Row | null;
  /** The server's last version that is known here; null once the row is deleted, undefined before any answer. */
  readonly server?: Row | null;
  /** The stamp of the snapshot or pull that brought `server`; see {@link Meta.stamp}. */
  readonly stamp: number;
  /** Grows with each edit on this store: a verdict counts only for the generation that was sent. */
  readonly generation: number;
  /** Entries of one transaction have the same group, and are pushed together. */
  readonly group: number;
  /** When the user made the last edit: ISO, UTC. */
  readonly at: string;
  /** Whether a push with this record's create may have reached the server. */
  readonly sent: boolean;
}

/** An edit that the server refused: it is kept until the app retries or discards it. */
export interface Refused extends RecordKey {
  /** The key for `sync.rejected.retry` and `discard`. */
  readonly key: string;
  readonly status: 'rejected' | 'conflict';
  readonly operation: Operation;
  /** The values that the user wanted to write. */
  readonly patch: Row;
  readonly base: Row | null;
  /** A conflict's winner; null where the row is deleted, or the answer has none. */
  readonly theirs: Row | null;
  readonly reason: string;
  readonly message: string;
  /** When the user made the edit: ISO, UTC. */
  readonly at: string;
  /** The key of the refused create that took this one along. */
  readonly under?: string;
}

/** The state that a store keeps beside rows, pending and refused edits. */
export interface Meta {
  readonly user: string;
  /** This store's `client_id`. */
  readonly clientId: string;
  /** The checkpoint of the last pull or complete snapshot; 0 before the first one. */
  readonly checkpoint: number;
  /** The snapshot under way, or null. */
  readonly snapshot: SnapshotProgress | null;
  /** Rows that carry an older stamp than the last complete snapshot's are gone. */
  readonly stamp: number;
  /** The last generation given out. */
  readonly generation: number;
  /** Grows whenever another tab begins to lead: writes of an older leader are refused. */
  readonly epoch: number;
  readonly pending: number;
  readonly refused: number;
}

export interface SnapshotProgress {
  /** The server's, echoed; null before the first page. */
  readonly cursor: unknown;
  /** Rows received so far. */
  readonly rows: number;
}

/** Text that is the same for the same record only: PostgreSQL's names have no NUL. */
export function keyOf({ table, id }: RecordKey): string {
  return `${table}\u0000${id}`;
}
