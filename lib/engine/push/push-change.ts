import type { SyncTable } from '../../registry/sync-table.js';
import type { WriteAuthority } from '../../resolvers/write-authority.js';
import type { ContractTable, SchemaContract } from '../../schema/schema-contract.js';

/**
 * One change as it came in. Its members are checked one by one: a malformed change gets a verdict of its own and
 * never fails the request (docs/protocol.md#requests). Numbers are `ExactNumber`s.
 */
export interface PushChange {
  readonly id: unknown;
  readonly table_name: unknown;
  readonly operation: unknown;
  readonly data: unknown;
  readonly client_updated_at: unknown;
  readonly base_updated_at: unknown;
}

/** The user and device of a push, and its contract. */
export interface PushContext {
  readonly contract: SchemaContract;
  /** Canonical (see `canonicalId`). */
  readonly userId: string;
  readonly clientId: string;
  /** The buckets that the user reads now. */
  readonly buckets: readonly string[];
  /** The same buckets where the log is outdated, so that `buckets` has none. Default: `buckets`. */
  readonly subscriptions?: readonly string[];
  /** Whether the default bucket rule alone decides the readers of a table's rows. Default: it doesn't. */
  readonly isSeenByDefaultRule?: (table: SyncTable) => boolean;
  /** Where policies of the host's decide the writers. Default: nowhere, the rule in SQL does. */
  readonly authority?: WriteAuthority;
  /** An earlier run of the transaction failed: what fails again is a record's own fault. Default: it is the first. */
  readonly isRerun?: boolean;
  /** Whether the tables have changed since the contract was read. Default: they have not. */
  readonly isContractChanged?: () => Promise<boolean>;
}

export type PushOperation = 'create' | 'update' | 'delete';

export type PushStatus = 'applied' | 'conflict' | 'rejected_terminal' | 'rejected_retryable';

/** The verdict on one change (docs/protocol.md#reasons). */
export interface PushResult {
  /** Which of the answer's two lists it belongs to. */
  readonly accepted: boolean;
  readonly id: string;
  readonly table_name: string;
  readonly operation: string;
  readonly status: PushStatus;
  readonly reason_code?: string;
  readonly message?: string;
  /** A Record as JSON text, to be spliced into the answer. */
  readonly server_version?: string;
  readonly server_updated_at?: string;
  readonly server_deleted_at?: string;
}

/** The members of a change that its result repeats. */
export type ChangeRef = Pick<PushResult, 'id' | 'table_name' | 'operation'>;

/** One change that is well-formed enough to be checked against the database. */
export interface PushItem {
  /** Its position in the request. */
  readonly index: number;
  /** As it came in. */
  readonly change: PushChange;
  readonly ref: ChangeRef;
  readonly table: ContractTable;
  /** In the form that the key's type prints. */
  readonly id: string;
  /** Identifies the record among all tables. */
  readonly key: string;
  readonly operation: PushOperation;
  /** The columns of the contract that the client sent; null when there is no object to read them from. */
  readonly data: ReadonlyMap<string, unknown> | null;
  /** The column for whose value there is no data, though there is an object; null: none. */
  readonly unfitColumn: string | null;
  /** The data as it came, as JSON text: made on demand, for conflict resolvers alone. */
  readonly dataText: () => string;
  /** A create's parent; null when the table has none, or the client names none that can exist. */
  readonly parentId: string | null;
  /** When the client made the change: microseconds, never later than now plus the tolerance (W-PUSH-17). */
  readonly clientMicros: bigint;
  /** The `updated_at` that the client started from, as it was written; null when it doesn't say. */
  readonly base: string | null;
}

/** Whether the change takes the row out of its table, which has no delete time to set. */
export function isRemoval({ operation, table: { table } }: Pick<PushItem, 'operation' | 'table'>): boolean {
  return operation === 'delete' && table.deletedAtColumn === null;
}

/** A row of the database as this push sees it: the user may read it, at least. */
export interface StoredRow {
  readonly id: string;
  /** The user may write it by the rule in SQL, or because a policy has just allowed it; and it is locked. */
  readonly owned: boolean;
  /** Canonical id of its owner; undefined where no policy needs it. */
  readonly owner?: string | null;
  /** Envelope form; null where the host allows null. */
  readonly updatedAt: string | null;
  /** null: it is not soft-deleted. Of a row that the push has removed: when. */
  readonly deletedAt: string | null;
  /** The wire's `data` object as JSON text. */
  readonly data: string;
}
