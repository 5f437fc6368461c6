import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager, EntityTarget } from 'typeorm';
import { errorCode, isRetryable } from '../common/database-error.js';
import { SynchroError } from '../common/errors.js';
import { WORK_CHANNEL } from '../common/work-channel.js';
import { SubscriptionResolver } from '../resolvers/subscription-resolver.js';
import type { SchemaContract } from '../schema/schema-contract.js';
import type { ClientSchema } from '../schema/schema-gate.js';
import { SchemaService } from '../schema/schema.service.js';
import { SYNC_DATA_SOURCE } from '../store/data-source.token.js';
import { inTransaction } from '../store/session.js';
import {
  beginSnapshot,
  completeSnapshot,
  enqueueSubscriptionChange,
  notePull,
  notePush,
  renewSnapshot,
  saveRegistration,
  type Registration,
  type SyncClient,
} from '../store/sync-clients.js';
import { SYNCHRO_OPTIONS, type SynchroOptions } from '../synchro.options.js';
import { Compactor, type CompactionResult } from './compactor.js';
import { caughtUp, type CaughtUpOptions } from './operations/caught-up.js';
import { requestReresolve, type RecordId } from './operations/reresolve.js';
import { Puller, snapshotReason, type PullPage, type SnapshotReason } from './pull/puller.js';
import type { PushChange, PushResult } from './push/push-change.js';
import { PushService } from './push/push.service.js';
import type { SnapshotCursor } from './snapshot/snapshot-cursor.js';
import { Snapshotter, type SnapshotPage } from './snapshot/snapshotter.js';
import { openContext, ready, registered, type SyncContext } from './sync-context.js';
import { checkVersion } from './version-gate.js';

const DEFAULT_HOLD_MS = 15 * 60_000;
/** How often a transaction that lost a race is run again before the device is asked to come back. */
const ATTEMPTS = 4;

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

/** What devices and the host ask of sync, each as one use case. */
@Injectable()
export class SyncEngine {
  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly options: SynchroOptions,
    private readonly schemas: SchemaService,
    private readonly subscriptions: SubscriptionResolver,
    private readonly puller: Puller,
    private readonly pusher: PushService,
    private readonly snapshotter: Snapshotter,
    private readonly compactor: Compactor,
  ) {}

  /** Registers a device, or brings what is known of it up to date. */
  async register(request: RegisterRequest): Promise<RegisterResult> {
    const buckets = await this.subscriptions.resolveSubscriptions(request.userId);
    return this.write(async (manager) => {
      const context = await openContext(manager, this.schemas, { ...request, bootstrap: true });
      checkVersion(request.appVersion, this.options.minClientVersion);
      const id = await saveRegistration(manager, request, buckets);
      return {
        id,
        lastSyncAt: context.client?.lastSyncAt ?? null,
        checkpoint: context.client?.acknowledged ?? 0n,
        contract: context.contract,
      };
    });
  }

  /** What changed for a device since its checkpoint, which it thereby acknowledges. */
  async pull(request: PullRequest): Promise<PullResult> {
    const buckets = await this.subscriptions.resolveSubscriptions(request.userId);
    const { result, client } = await this.read(async (manager) => {
      const context = await openContext(manager, this.schemas, request);
      const client = registered(context);
      const log = ready(context);
      const reason = snapshotReason(client, log, request.checkpoint);
      const page =
        reason === null
          ? await this.puller.pull(manager, context.contract, client, log, { ...request, buckets })
          : { changes: [], deletes: [], checkpoint: request.checkpoint, hasMore: false };
      const bucketUpdates = reason === null ? difference(request.knownBuckets ?? [], buckets) : null;
      return {
        client,
        result: { ...page, contract: context.contract, snapshotReason: reason, bucketUpdates },
      };
    });
    if (result.snapshotReason === null) await this.afterPull(client, request, buckets);
    return result;
  }

  /** Applies a device's changes, each with a verdict of its own. */
  async push(request: PushRequest): Promise<PushOutcome> {
    const buckets = await this.subscriptions.resolveSubscriptions(request.userId);
    return this.write(async (manager) => {
      const context = await openContext(manager, this.schemas, request);
      const client = registered(context);
      const { contract } = context;
      const { userId, clientId } = request;
      const results = await this.pusher.apply(
        manager,
        { contract, userId, clientId, buckets },
        request.changes,
      );
      await notePush(manager, client);
      return { results, contract };
    });
  }

  /** The next page of all that a device may see, at a checkpoint that the first page fixes. */
  async snapshot(request: SnapshotRequest): Promise<SnapshotResult> {
    const buckets = await this.subscriptions.resolveSubscriptions(request.userId);
    const { cursor, client } = await this.write((manager) => this.enterSnapshot(manager, request, buckets));
    const result = await this.read(async (manager) => {
      const { contract } = await openContext(manager, this.schemas, request);
      const page = await this.snapshotter.page(manager, contract, cursor, buckets, request.limit);
      return { ...page, checkpoint: cursor.checkpoint, contract };
    });
    if (result.next === null) await completeSnapshot(this.dataSource.manager, client, cursor.checkpoint);
    return result;
  }

  /** The contract between clients and the database as of now. */
  schema(): Promise<SchemaContract> {
    return this.schemas.current();
  }

  /** Removes history that no device needs any more. Safe to run anywhere at any time. */
  runCompaction(): Promise<CompactionResult> {
    return this.compactor.run();
  }

  /**
   * Has the WAL consumer, wherever it runs, resolve the buckets of rows again: something changed that no
   * `bucketSources` names. Resolves when that is asked for; {@link caughtUp} waits until it is done.
   * @param entity or the table's name
   * @param ids primary keys; those without a row are passed over. Default: the whole table, a page at a time
   * @throws SynchroError `bad_request` when the table isn't synced, or an id can't be one of its keys
   */
  async reresolve(entity: EntityTarget<object>, ids?: readonly RecordId[]): Promise<void> {
    await requestReresolve(this.dataSource, await this.schemas.current(), entity, ids);
  }

  /**
   * Resolves once what was committed before is in the changelog, and what was asked of the consumer before (see
   * {@link reresolve}, replayed rule failures, changed subscriptions) is done. Works on any instance.
   * @throws SynchroError `not_caught_up` after `timeout` milliseconds (default: 30 000)
   */
  async caughtUp(options: CaughtUpOptions = {}): Promise<void> {
    const { tables } = await this.schemas.current();
    await caughtUp(this.dataSource, [...tables.keys()], options);
  }

  private async enterSnapshot(
    manager: EntityManager,
    request: SnapshotRequest,
    buckets: readonly string[],
  ): Promise<{ cursor: SnapshotCursor; client: SyncClient }> {
    const context: SyncContext = await openContext(manager, this.schemas, request);
    const client = registered(context);
    ready(context);
    const hold = this.options.snapshotHold ?? DEFAULT_HOLD_MS;
    const { cursor } = request;
    if (cursor && this.snapshotter.knows(cursor)) {
      // Before the client's row, as the consumer takes them in this order, too.
      await this.noteSubscriptions(manager, client, buckets);
      if (await renewSnapshot(manager, client, cursor.checkpoint, hold)) return { cursor, client };
    }
    const checkpoint = await beginSnapshot(manager, client, buckets, hold);
    return { cursor: this.snapshotter.first(checkpoint), client };
  }

  private async afterPull(
    client: SyncClient,
    request: PullRequest,
    buckets: readonly string[],
  ): Promise<void> {
    const { manager } = this.dataSource;
    await notePull(manager, client, request.tables === null ? request.checkpoint : null);
    await this.noteSubscriptions(manager, client, buckets);
  }

  /** What was read was cut to the current subscriptions: a difference from the stored ones has entries to follow. */
  private async noteSubscriptions(
    manager: EntityManager,
    client: SyncClient,
    buckets: readonly string[],
  ): Promise<void> {
    if (difference(client.buckets, buckets) === null) return;
    await enqueueSubscriptionChange(manager, client, buckets, WORK_CHANNEL);
  }

  /** DDL between reading the contract and using it shows as a missing column or a stale plan: once more, then. */
  private async read<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    try {
      return await inTransaction(this.dataSource, 'read', work);
    } catch (error) {
      if (!isSchemaRace(error)) throw error;
      return inTransaction(this.dataSource, 'read', work);
    }
  }

  private async write<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await inTransaction(this.dataSource, 'write', work);
      } catch (error) {
        if (isRetryable(error) && attempt < ATTEMPTS) continue;
        if (isSchemaRace(error) && attempt === 1) continue;
        throw error;
      }
    }
  }
}

function isSchemaRace(error: unknown): boolean {
  if (error instanceof SynchroError) return false;
  const code = errorCode(error);
  return code === '0A000' || code === '42703' || code === '42P01';
}

function difference(
  known: readonly string[],
  current: readonly string[],
): { readonly added: readonly string[]; readonly removed: readonly string[] } | null {
  const added = current.filter((bucket) => !known.includes(bucket));
  const removed = known.filter((bucket) => !current.includes(bucket));
  return added.length + removed.length === 0 ? null : { added, removed };
}
