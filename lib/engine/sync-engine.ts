import { Inject, Injectable } from '@nestjs/common';
import type { DataSource, EntityManager, EntityTarget } from 'typeorm';
import { canonicalId } from '../common/canonical-id.js';
import type { SchemaIncompatibleEvent } from '../settings/hook-events.js';
import { HookRunner } from '../hooks/hook-runner.js';
import { SubscribedBuckets } from '../resolvers/subscribed-buckets.js';
import type { ManifestEntry } from '../schema/manifest.js';
import type { SchemaContract } from '../schema/schema-contract.js';
import { SchemaService } from '../schema/schema.service.js';
import { deleteClient, listClients, type ClientInfo } from '../store/clients/client-admin.js';
import type { CompactionResult } from '../settings/compaction-result.js';
import { SYNC_DATA_SOURCE } from '../database/data-source.token.js';
import { Ending, inTransaction, writeTogether } from '../database/session.js';
import { qualified } from '../database/sync-schema.js';
import { saveRegistration } from '../store/clients/sync-clients.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { awaitPushes } from './snapshot/await-pushes.js';
import { Compactor } from './compaction/compactor.js';
import { Glances } from './pull/glances.js';
import { caughtUp, type CaughtUpOptions } from './admin/caught-up.js';
import { requestReresolve, type RecordId, type ReresolveOptions } from './admin/reresolve.js';
import { readBuckets } from './pull/bucket-difference.js';
import { Puller, snapshotReason } from './pull/puller.js';
import { afterPull, pullNotes, type Pulled, toPulled } from './pull/pulled.js';
import { pushStorable } from './push/values/unstorable.js';
import { PushRequests } from './push/push-requests.js';
import { PushService } from './push/push.service.js';
import { RequestTransactions } from './request/request-transactions.js';
import type { SnapshotCursor } from './snapshot/snapshot-cursor.js';
import { Snapshotter } from './snapshot/snapshotter.js';
import { afterSnapshot, type Snapshotted } from './snapshot/snapshotted.js';
import { admit } from './register/stale-client.js';
import { storable } from './rows/ascii-names.js';
import { ContextReader, ready, registered, type SyncContext } from './request/sync-context.js';
import type {
  PullRequest,
  PullResult,
  PushOutcome,
  PushRequest,
  RegisterRequest,
  RegisterResult,
  SnapshotRequest,
  SnapshotResult,
} from './request/sync-requests.js';
import { checkVersion, gated } from './request/version-gate.js';

/** What devices and the host ask of sync, each as one use case. */
@Injectable()
export class SyncEngine {
  private readonly transactions: RequestTransactions;
  private readonly contexts: ContextReader;
  private readonly glances: Glances;
  private readonly pushes: PushRequests;

  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) private readonly options: SynchroSettings,
    private readonly schemas: SchemaService,
    private readonly subscriptions: SubscribedBuckets,
    private readonly puller: Puller,
    pusher: PushService,
    private readonly snapshotter: Snapshotter,
    private readonly compactor: Compactor,
    private readonly hooks: HookRunner,
  ) {
    this.transactions = new RequestTransactions(dataSource, schemas, options, () => pusher.runsHostCode);
    this.contexts = new ContextReader(schemas);
    this.glances = new Glances(this.transactions, this.contexts);
    this.pushes = new PushRequests(dataSource, this.transactions, this.contexts, pusher, hooks);
  }

  /** Registers a device, or brings what is known of it up to date. */
  async register(request: RegisterRequest): Promise<RegisterResult> {
    const buckets = await this.subscriptions.of(request);
    const { userId, clientId, appVersion: clientVersion } = request;
    const { minClientVersion: minVersion = '' } = this.options;
    const event = (): SchemaIncompatibleEvent => ({ userId, clientId, clientVersion, minVersion });
    return gated(this.hooks, event, () =>
      storable(request, (names) => this.saveClient({ ...request, ...names }, buckets)),
    );
  }

  private saveClient(request: RegisterRequest, buckets: readonly string[]): Promise<RegisterResult> {
    const asked = { ...request, buckets, bootstrap: true };
    return this.transactions.write(async (manager, opened) => {
      const context = this.contexts.open(asked, opened);
      checkVersion(request.appVersion, this.options.minClientVersion);
      const id = await saveRegistration(manager, request, buckets, this.options.limits.clientsPerUser);
      return {
        id,
        lastSyncAt: context.client?.lastSyncAt ?? null,
        checkpoint: context.client?.acknowledged ?? 0n,
        contract: context.contract,
      };
    }, this.contexts.opening(asked));
  }

  /** What changed for a device since its checkpoint, which it thereby acknowledges. */
  async pull(request: PullRequest): Promise<PullResult> {
    const buckets = await this.subscriptions.of(request);
    // The hook for stale clients is given the transaction, for what it reads.
    const nothing = this.hooks.has('onStaleClient') ? null : await this.glances.pull(request, buckets);
    const { dataSource } = this;
    if (nothing?.result.snapshotReason === null)
      await writeTogether(dataSource, pullNotes(dataSource.manager, request, buckets, nothing));
    const pulled = nothing ?? (await this.pullPage(request, buckets));
    await afterPull(dataSource, this.hooks, request, pulled);
    this.glances.learn(request, pulled.result);
    return pulled.result;
  }

  private pullPage(request: PullRequest, buckets: readonly string[]): Promise<Pulled> {
    const asked = { ...request, buckets };
    return this.transactions.readRows<Pulled>(async (manager, opened, careful) => {
      const read = this.contexts.open(asked, opened);
      const client = await admit(this.hooks, manager, request, read);
      const context = { ...read, client, log: ready(read), careful };
      const reason = snapshotReason(client, context.log, request.checkpoint);
      if (reason !== null) return toPulled(request, buckets, context, reason);
      const page = await this.puller.pull(manager, context, asked);
      return new Ending(
        page.statements,
        (rows) => toPulled(request, buckets, context, page.result(rows)),
        pullNotes(manager, request, buckets, context),
      );
    }, this.contexts.opening(asked));
  }

  /** Applies a device's changes, each with a verdict of its own. */
  async push(request: PushRequest): Promise<PushOutcome> {
    const buckets = await this.subscriptions.of(request);
    return pushStorable(this.dataSource, request.changes, (changes) =>
      this.pushes.apply({ ...request, changes, buckets }),
    );
  }

  /** The next page of all that a device may see, at a checkpoint that the first page fixes. */
  async snapshot(request: SnapshotRequest): Promise<SnapshotResult> {
    const buckets = await this.subscriptions.of(request);
    const asked = { ...request, buckets };
    if (request.cursor === null) await awaitPushes(this.dataSource, this.transactions, request.userId);
    const page = (await this.heldPage(asked)) ?? (await this.enteredPage(asked));
    await afterSnapshot(this.dataSource, page);
    return page.result;
  }

  /** The contract between clients and the database as of now. */
  schema(): Promise<SchemaContract> {
    return this.schemas.current();
  }

  /**
   * The schemas that were in force, newest first: their hashes are what `schema.compatibleHashes` takes.
   * @param limit at most this many. Default, and for 0 and less: 100
   */
  schemaHistory(limit?: number): Promise<readonly ManifestEntry[]> {
    return this.schemas.history(limit);
  }

  /**
   * Removes history that no device needs any more, as `compaction` says. Safe to run anywhere at any time: a run that
   * another instance has begun is waited for, or with `wait: false` answered with null.
   * @throws SynchroError `compaction_not_configured` without the option; `temporarily_unavailable` when the app shuts
   *   down first
   */
  runCompaction(): Promise<CompactionResult>;
  runCompaction(options: { readonly wait: boolean }): Promise<CompactionResult | null>;
  async runCompaction(options = { wait: true }): Promise<CompactionResult | null> {
    const result = await this.compactor.run(options);
    if (result !== null) await this.hooks.inform('onCompaction', { result });
    return result;
  }

  /** A user's devices, the first one first. */
  clients(userId: string): Promise<readonly ClientInfo[]> {
    return this.transactions.read((manager) => listClients(manager, canonicalId(userId)));
  }

  /**
   * Forgets a device, e.g. a lost phone: it holds no history back any more, and its requests are refused as those of
   * a device that never registered. Registering again brings it back: keeping it out is for the host's guards. What it
   * pushed stays, also what still waits for its parent.
   * @returns whether there was one
   */
  revokeClient(userId: string, clientId: string): Promise<boolean> {
    return this.transactions.write((manager) => deleteClient(manager, canonicalId(userId), clientId));
  }

  /**
   * Has the WAL consumer, wherever it runs, resolve the buckets of rows again: something changed that no
   * `bucketSources` names. Resolves when that is asked for; {@link caughtUp} waits until it is done.
   * @param entity or the table's name
   * @param ids primary keys; those without a row are passed over. Default: the whole table, a page at a time
   * @throws SynchroError `bad_request` when the table isn't synced, or an id can't be one of its keys
   */
  async reresolve(
    entity: EntityTarget<object>,
    ids?: readonly RecordId[],
    { manager }: ReresolveOptions = {},
  ): Promise<void> {
    const ask = (own: Parameters<typeof requestReresolve>[0]): Promise<void> =>
      requestReresolve(own, this.schemas, entity, ids);
    await (manager ? ask(qualified(manager)) : inTransaction(this.dataSource, 'write', ask));
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

  /**
   * Most pages go on where the one before ended, and need nothing to be noted for that.
   * @returns null for a snapshot that begins, or that has to be held anew
   */
  private heldPage(asked: Bucketed<SnapshotRequest>): Promise<Snapshotted | null> {
    const { cursor, buckets } = asked;
    if (cursor === null) return Promise.resolve(null);
    return this.transactions.readRows<Snapshotted | null>(async (manager, opened, careful) => {
      const context = this.contexts.open(asked, opened);
      const { lastSeq } = ready(context);
      if (!this.snapshotter.isHeld(registered(context), cursor, lastSeq, buckets)) return null;
      await admit(this.hooks, manager, asked, context);
      return this.snapshotPage(manager, asked, { ...context, careful }, cursor);
    }, this.contexts.opening(asked));
  }

  private async enteredPage(asked: Bucketed<SnapshotRequest>): Promise<Snapshotted> {
    const opening = this.contexts.opening(asked);
    const cursor = await this.transactions.write(async (manager, opened) => {
      const context = this.contexts.open(asked, opened);
      const client = await admit(this.hooks, manager, asked, context);
      ready(context);
      return this.snapshotter.enter(manager, client, asked.cursor, asked.buckets);
    }, opening);
    return this.transactions.readRows(
      (manager, opened, careful) =>
        this.snapshotPage(manager, asked, { ...this.contexts.open(asked, opened), careful }, cursor),
      opening,
    );
  }

  private async snapshotPage(
    manager: EntityManager,
    { buckets, limit }: Bucketed<SnapshotRequest>,
    context: SyncContext & { readonly careful: boolean },
    cursor: SnapshotCursor,
  ): Promise<Ending<Snapshotted>> {
    const { contract, isOlderSchema, careful } = context;
    const client = registered(context);
    const read = readBuckets(client, buckets);
    const page = await this.snapshotter.page(manager, contract, cursor, read, limit, careful);
    const served = ready(context).lastSeq;
    return new Ending(page.statements, (rows) => {
      const result = { ...page.result(rows), checkpoint: cursor.checkpoint, contract };
      return { result, client, served, isOlderSchema };
    });
  }
}

type Bucketed<Request> = Request & { readonly buckets: readonly string[] };
