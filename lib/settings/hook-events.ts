import type { EntityManager } from 'typeorm';
import type { Conflict, Resolution } from './conflict.js';
import type { CompactionResult } from './compaction-result.js';

/** A change that a push has applied. */
export interface AcceptedRecord {
  /** Wire name of the table. */
  readonly table: string;
  readonly recordId: string;
  /** The operation that the device asked for; a create of a row that existed, or was deleted, is a `create`, too. */
  readonly operation: 'create' | 'update' | 'delete';
}

export interface PushAcceptedEvent {
  /** The push's own transaction: what is written with it is committed or rolled back with the push. */
  readonly manager: EntityManager;
  readonly userId: string;
  readonly clientId: string;
  /**
   * Never empty, in the order of writing (parents first). With changes that an earlier push had sent before their
   * parent, and without those that still wait for theirs.
   */
  readonly accepted: readonly AcceptedRecord[];
}

export interface ConflictEvent {
  readonly conflict: Conflict;
  readonly resolution: Resolution;
}

export interface PullCompleteEvent {
  readonly userId: string;
  readonly clientId: string;
  /** The checkpoint that was answered, as text, for it has 64 bits. */
  readonly checkpoint: string;
  /** Rows that were answered; deletes don't count. */
  readonly count: number;
}

export interface SchemaIncompatibleEvent {
  readonly userId: string;
  /** null when the request doesn't say, as a GET. */
  readonly clientId: string | null;
  readonly clientVersion: string;
  readonly minVersion: string;
}

export interface StaleClientEvent {
  /** The request's transaction; read-only in a pull. Query with it rather than with another connection. */
  readonly manager: EntityManager;
  readonly userId: string;
  readonly clientId: string;
  /** When the device last finished a pull, a push or a snapshot. */
  readonly lastSyncAt: Date;
}

export interface CompactionEvent {
  readonly result: CompactionResult;
}

export interface SnapshotRequiredEvent {
  readonly userId: string;
  readonly clientId: string;
  /** The device's checkpoint, as text, for it has 64 bits. */
  readonly checkpoint: string;
  /** The lowest checkpoint from which a device could go on, as text. */
  readonly minSeq: string;
  /** `history_unavailable`: the checkpoint is of another user's, another epoch's or a restored database's history. */
  readonly reason: 'checkpoint_before_retention' | 'history_unavailable';
}

/** A write that a push is about to make. The user may make it, and no conflict stands against it. */
export interface BeforeApplyEvent<Entity extends object = object> {
  /** The push's transaction. For reading: what is written with it may be undone. */
  readonly manager: EntityManager;
  readonly userId: string;
  readonly clientId: string;
  /** Wire name of the table. */
  readonly table: string;
  readonly recordId: string;
  readonly operation: AcceptedRecord['operation'];
  /**
   * Database column → the value that the device wants written, as in the wire's JSON: times are texts, and so are
   * numbers that JavaScript would round. Empty for a delete.
   */
  readonly data: Readonly<Record<string, unknown>>;
  /** The row before, in the same form, with the columns that devices see; null when there is none. */
  readonly current: Readonly<Record<string, unknown>> | null;
  /** The row as it would be: an instance of the entity, as TypeORM would load it from the columns that devices see. */
  readonly entity: Entity;
}

/** Why a write is refused. */
export interface WriteRejection {
  /** Short and stable, for programs, e.g. `task_locked`. */
  readonly reason: string;
  /** For people. */
  readonly message: string;
}
