import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Lsn } from '../../common/lsn.js';
import type { SqlStatement } from '../../database/pipeline.js';
import { ClosingStatements, writeTogether } from '../../database/session.js';
import { HookRunner } from '../../hooks/hook-runner.js';
import { Live } from '../../live/live.js';
import { SubscribedBuckets } from '../../resolvers/subscribed-buckets.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import { recordOlderSchema, recordPull } from '../../store/clients/sync-clients.js';
import { admit } from '../register/admit.js';
import { awaitCommit } from '../request/await-commit.js';
import { Requests } from '../request/requests.js';
import { queueSubscriptionChange } from '../request/subscription-change.js';
import { ready, type SyncContext } from '../request/sync-context.js';
import type { Bucketed, SyncRequest } from '../request/sync-request.js';
import { requestRedeliveryApart } from '../rows/redelivery.js';
import { NO_RECORDS } from '../rows/wire-records.js';
import { difference } from './bucket-difference.js';
import { snapshotReason, type SnapshotReason } from './checkpoints.js';
import { IdlePullProbe } from './idle-pull-probe.js';
import { Puller, type PullContext, type PullPage } from './puller.js';

export interface PullRequest extends SyncRequest {
  readonly checkpoint: bigint;
  readonly limit: number;
  /** null: all. */
  readonly tables: readonly string[] | null;
  readonly knownBuckets: readonly string[] | null;
  /** The `commit` of a push that the log should have; null: none. Default: null. */
  readonly after?: Lsn | null;
  /** Milliseconds to wait for that. Default: 0. */
  readonly waitMs?: number;
}

/** An answer from one snapshot of the database. */
interface PullAnswer extends PullPage {
  readonly contract: SchemaContract;
  readonly snapshotReason: SnapshotReason | null;
  /** How the user's buckets differ from those that the client knows; null when they don't. */
  readonly bucketUpdates: { readonly added: readonly string[]; readonly removed: readonly string[] } | null;
}

export interface PullResult extends PullAnswer {
  /** The log doesn't have what was to be waited for. */
  readonly behind: boolean;
}

/** A pull as it was answered, and what it was answered from. */
interface AnsweredPull {
  readonly context: PullContext;
  readonly result: PullAnswer;
}

/** The changes for a device since its checkpoint, which the pull acknowledges. */
@Injectable()
export class Pull {
  private readonly probe: IdlePullProbe;

  constructor(
    private readonly requests: Requests,
    private readonly subscriptions: SubscribedBuckets,
    private readonly puller: Puller,
    private readonly hooks: HookRunner,
    private readonly live: Live,
  ) {
    this.probe = new IdlePullProbe(requests);
  }

  async run(request: PullRequest): Promise<PullResult> {
    const { after = null, waitMs = 0 } = request;
    const behind = after !== null && !(await awaitCommit(this.requests, after, waitMs));
    const asked = { ...request, buckets: await this.subscriptions.of(request) };
    this.live.recordSubscriptions(request.userId, request.clientId, asked.buckets);
    const { context, result } = (await this.probed(asked)) ?? (await this.page(asked));
    await this.finish(asked, context, result);
    this.probe.rememberBacklog(asked, result);
    return { ...result, behind };
  }

  /** @returns null when the device has to be answered from the log */
  private async probed(asked: Bucketed<PullRequest>): Promise<AnsweredPull | null> {
    // The hook for stale clients is given the transaction, for what it reads.
    if (this.hooks.has('onStaleClient')) return null;
    // The pull after a poke: there is something.
    if (this.live.hasPoked(asked.userId, asked.clientId, asked.checkpoint)) return null;
    const idle = await this.probe.pull(asked);
    if (idle === null) return null;
    const { context, page } = idle;
    const { dataSource } = this.requests;
    if (typeof page !== 'string')
      await writeTogether(dataSource, recordsOf(dataSource.manager, asked, context));
    return { context, result: resultOf(asked, context, page) };
  }

  private page(asked: Bucketed<PullRequest>): Promise<AnsweredPull> {
    const { contexts, transactions } = this.requests;
    return transactions.readRows<AnsweredPull, SyncContext>(
      contexts.opening(asked),
      async (manager, opened, careful) => {
        const client = await admit(this.hooks, manager, asked, opened);
        const context = { ...opened, client, log: ready(opened) };
        const reason = snapshotReason(client, context.log, asked.checkpoint);
        if (reason !== null) return { context, result: resultOf(asked, context, reason) };
        const page = await this.puller.pull(manager, context, asked, careful);
        return new ClosingStatements({
          reads: page.map((read) => ({ context, result: resultOf(asked, context, read) })),
          afterCommit: recordsOf(manager, asked, context),
        });
      },
    );
  }

  /** Leaves to the consumer what a pull has left out, and calls the hooks. */
  private async finish(
    { userId, clientId, checkpoint: from }: PullRequest,
    { client, log }: PullContext,
    { snapshotReason: reason, checkpoint, changes, redeliveries }: PullAnswer,
  ): Promise<void> {
    if (reason === null) {
      await requestRedeliveryApart(this.requests.dataSource, client, redeliveries);
      const event = { userId, clientId, checkpoint: checkpoint.toString(), count: changes.count };
      await this.hooks.inform('onPullComplete', event);
    } else if (reason !== 'initial_sync_required') {
      const { floorSeq, epochSeq } = log;
      const minSeq = (floorSeq > epochSeq ? floorSeq : epochSeq).toString();
      const event = { userId, clientId, checkpoint: from.toString(), minSeq, reason };
      await this.hooks.inform('onSnapshotRequired', event);
    }
  }
}

/** @param page or why the device has to take a snapshot first */
function resultOf(
  { checkpoint, knownBuckets, buckets }: Bucketed<PullRequest>,
  { contract }: PullContext,
  page: PullPage | SnapshotReason,
): PullAnswer {
  if (typeof page !== 'string') {
    const bucketUpdates = difference(knownBuckets ?? [], buckets);
    return { ...page, contract, snapshotReason: null, bucketUpdates };
  }
  const nothing = { changes: NO_RECORDS, deletes: [], redeliveries: [], hasMore: false };
  return { ...nothing, checkpoint, contract, snapshotReason: page, bucketUpdates: null };
}

/**
 * The statements that record a pull, to be sent behind the transaction that has read for it. They don't depend on its
 * rows.
 */
function recordsOf(
  manager: EntityManager,
  request: Bucketed<PullRequest>,
  { client, log, isOlderSchema }: PullContext,
): readonly SqlStatement[] {
  const acknowledged = request.tables === null ? request.checkpoint : null;
  const pull = recordPull(manager, client, acknowledged, log.lastSeq);
  return [
    ...(isOlderSchema ? [recordOlderSchema(client)] : []),
    // First, as this pull has given nothing of what it queues to go.
    ...queueSubscriptionChange(client, request.buckets, acknowledged ?? client.acknowledged ?? 0n),
    ...(pull ? [pull] : []),
  ];
}
