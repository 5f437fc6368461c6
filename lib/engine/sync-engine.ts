import { Injectable } from '@nestjs/common';
import type { EntityTarget } from 'typeorm';
import type { ManifestEntry } from '../schema/manifest.js';
import type { SchemaContract } from '../schema/schema-contract.js';
import type { CompactionResult } from '../settings/compaction-result.js';
import type { ClientInfo } from '../store/clients/client-admin.js';
import { Admin } from './admin/admin.js';
import type { CaughtUpOptions } from './admin/caught-up.js';
import type { RecordId, ReresolveOptions } from './admin/reresolve.js';
import { Pull, type PullRequest, type PullResult } from './pull/pull.js';
import { Push, type PushOutcome, type PushRequest } from './push/push.js';
import { Register, type RegisterRequest, type RegisterResult } from './register/register.js';
import { Snapshot, type SnapshotRequest, type SnapshotResult } from './snapshot/snapshot.js';

/** The use cases of devices and of the host. */
@Injectable()
export class SyncEngine {
  constructor(
    private readonly registrations: Register,
    private readonly pulls: Pull,
    private readonly pushes: Push,
    private readonly snapshots: Snapshot,
    private readonly admin: Admin,
  ) {}

  /** Registers a device, or brings what is known of it up to date. */
  register(request: RegisterRequest): Promise<RegisterResult> {
    return this.registrations.run(request);
  }

  /** The changes for a device since its checkpoint, which the pull acknowledges. */
  pull(request: PullRequest): Promise<PullResult> {
    return this.pulls.run(request);
  }

  /** Applies a device's changes, each with a verdict of its own. */
  push(request: PushRequest): Promise<PushOutcome> {
    return this.pushes.run(request);
  }

  /** The next page of all that a device may see, at a checkpoint that the first page fixes. */
  snapshot(request: SnapshotRequest): Promise<SnapshotResult> {
    return this.snapshots.run(request);
  }

  /** The contract between clients and the database as of now. */
  schema(): Promise<SchemaContract> {
    return this.admin.schemas.current();
  }

  /**
   * The schemas that were in force, newest first: their hashes are what `schema.compatibleHashes` takes.
   * @param limit at most this many. Default, and for 0 and less: 100
   */
  schemaHistory(limit?: number): Promise<readonly ManifestEntry[]> {
    return this.admin.schemas.history(limit);
  }

  /**
   * Removes history that no device needs any more, as `compaction` says. Safe to run anywhere at any time: a run that
   * another instance has begun is waited for, or with `wait: false` answered with null.
   * @throws SynchroError `compaction_not_configured` without the option; `temporarily_unavailable` when the app shuts
   *   down first
   */
  runCompaction(): Promise<CompactionResult>;
  runCompaction(options: { readonly wait: boolean }): Promise<CompactionResult | null>;
  runCompaction(options = { wait: true }): Promise<CompactionResult | null> {
    return this.admin.compaction.run(options);
  }

  /** A user's devices, the first one first. */
  clients(userId: string): Promise<readonly ClientInfo[]> {
    return this.admin.clients(userId);
  }

  /**
   * Forgets a device, e.g. a lost phone: it holds no history back any more, and its requests are refused as those of
   * a device that never registered. Registering again brings it back: keeping it out is for the host's guards. Rows
   * that it pushed stay, and so do its parked rows.
   * @returns whether there was one
   */
  revokeClient(userId: string, clientId: string): Promise<boolean> {
    return this.admin.revokeClient(userId, clientId);
  }

  /**
   * Ends the live connections of a user's devices, on every instance within a second. The devices reconnect, and your
   * guards decide then: lock the user out first.
   */
  disconnect(userId: string): Promise<void> {
    return this.admin.disconnect(userId);
  }

  /**
   * Makes the WAL consumer, wherever it runs, resolve the buckets of rows again, after a change that no
   * `bucketSources` names. Resolves when the task is stored; {@link caughtUp} waits until it is done.
   * @param entity or the table's name
   * @param ids primary keys; those without a row are ignored. Default: the whole table, a page at a time
   * @throws SynchroError `bad_request` when the table isn't synced, or an id can't be one of its keys
   */
  reresolve(
    entity: EntityTarget<object>,
    ids?: readonly RecordId[],
    options: ReresolveOptions = {},
  ): Promise<void> {
    return this.admin.reresolve(entity, ids, options);
  }

  /**
   * Resolves once what was committed before is in the changelog, and what was asked of the consumer before (see
   * {@link reresolve}, replayed rule failures, changed subscriptions) is done. Works on any instance.
   * @throws SynchroError `not_caught_up` after `timeout` milliseconds (default: 30 000)
   */
  caughtUp(options: CaughtUpOptions = {}): Promise<void> {
    return this.admin.caughtUp(options);
  }
}
