import type { SchemaContract } from '../../schema/schema-contract.js';
import type { ClientSchema } from '../../schema/schema-gate.js';
import type { Registration } from '../../store/clients/sync-clients.js';
import type { PullPage, SnapshotReason } from '../pull/puller.js';
import type { PushChange, PushResult } from '../push/push-change.js';
import type { SnapshotCursor } from '../snapshot/snapshot-cursor.js';
import type { SnapshotPage } from '../snapshot/snapshotter.js';

/** What every request of a device says of itself. */
export interface SyncRequest {
  /** Canonical. */
  readonly userId: string;
  readonly clientId: string;
  readonly schema: ClientSchema;
}

export interface RegisterRequest
  extends SyncRequest, Pick<Registration, 'clientName' | 'platform' | 'appVersion'> {}

export interface RegisterResult {
  readonly id: string;
  readonly lastSyncAt: string | null;
  readonly checkpoint: bigint;
  readonly contract: SchemaContract;
}

export interface PullRequest extends SyncRequest {
  readonly checkpoint: bigint;
  readonly limit: number;
  readonly tables: readonly string[] | null;
  readonly knownBuckets: readonly string[] | null;
}

export interface PullResult extends PullPage {
  readonly contract: SchemaContract;
  readonly snapshotReason: SnapshotReason | null;
  /** How the user's buckets differ from those that the client knows; null when they don't. */
  readonly bucketUpdates: { readonly added: readonly string[]; readonly removed: readonly string[] } | null;
}

export interface PushRequest extends SyncRequest {
  readonly changes: readonly PushChange[];
}

export interface PushOutcome {
  readonly results: readonly PushResult[];
  readonly contract: SchemaContract;
}

export interface SnapshotRequest extends SyncRequest {
  /** null: from the beginning. */
  readonly cursor: SnapshotCursor | null;
  readonly limit: number;
}

export interface SnapshotResult extends SnapshotPage {
  readonly checkpoint: bigint;
  readonly contract: SchemaContract;
}
