import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { StatementBatch } from '../../database/pipeline.js';
import { ClosingStatements, writeTogether } from '../../database/session.js';
import { HookRunner } from '../../hooks/hook-runner.js';
import { SubscribedBuckets } from '../../resolvers/subscribed-buckets.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import { completeSnapshot, recordServed, type SyncClient } from '../../store/clients/sync-clients.js';
import { readBuckets } from '../pull/bucket-difference.js';
import { admit } from '../register/admit.js';
import { Requests } from '../request/requests.js';
import { ready, registered, type SyncContext } from '../request/sync-context.js';
import type { Bucketed, SyncRequest } from '../request/sync-request.js';
import { requestRedeliveryApart } from '../rows/redelivery.js';
import { awaitPushes } from './await-pushes.js';
import type { SnapshotCursor } from './snapshot-cursor.js';
import { Snapshotter, type SnapshotPage } from './snapshotter.js';

export interface SnapshotRequest extends SyncRequest {
  /** null: from the beginning. */
  readonly cursor: SnapshotCursor | null;
  readonly limit: number;
}

export interface SnapshotResult extends SnapshotPage {
  readonly checkpoint: bigint;
  readonly contract: SchemaContract;
}

/** A page, and what it was read from. */
interface AnsweredPage {
  readonly result: SnapshotResult;
  readonly client: SyncClient;
  /** Where the log stood. */
  readonly served: bigint;
  readonly isOlderSchema: boolean;
}

/** The next page of all that a device may see, at a checkpoint that the first page fixes. */
@Injectable()
export class Snapshot {
  constructor(
    private readonly requests: Requests,
    private readonly subscriptions: SubscribedBuckets,
    private readonly snapshotter: Snapshotter,
    private readonly hooks: HookRunner,
  ) {}

  async run(request: SnapshotRequest): Promise<SnapshotResult> {
    const asked = { ...request, buckets: await this.subscriptions.of(request) };
    if (request.cursor === null) await awaitPushes(this.requests, request.userId);
    const page = (await this.heldPage(asked)) ?? (await this.enteredPage(asked));
    await this.finish(page);
    return page.result;
  }

  /**
   * Most pages go on where the one before ended, and nothing has to be recorded for them.
   * @returns null for a snapshot that begins, or that needs a new hold
   */
  private async heldPage(asked: Bucketed<SnapshotRequest>): Promise<AnsweredPage | null> {
    const { cursor, buckets } = asked;
    if (cursor === null) return null;
    const { contexts, transactions } = this.requests;
    return transactions.readRows<AnsweredPage | null, SyncContext>(
      contexts.opening(asked),
      async (manager, context, careful) => {
        const { lastSeq } = ready(context);
        if (!this.snapshotter.isHeld(registered(context), cursor, lastSeq, buckets)) return null;
        await admit(this.hooks, manager, asked, context);
        const reads = await this.page(manager, { ...asked, cursor }, context, careful);
        return new ClosingStatements<AnsweredPage | null>({ reads });
      },
    );
  }

  private async enteredPage(asked: Bucketed<SnapshotRequest>): Promise<AnsweredPage> {
    const { contexts, transactions } = this.requests;
    const cursor = await transactions.write(contexts.opening(asked), async (manager, context) => {
      const client = await admit(this.hooks, manager, asked, context);
      ready(context);
      return this.snapshotter.enter(manager, client, asked.cursor, asked.buckets);
    });
    return transactions.readRows<AnsweredPage, SyncContext>(
      contexts.opening(asked),
      async (manager, context, careful) =>
        new ClosingStatements({ reads: await this.page(manager, { ...asked, cursor }, context, careful) }),
    );
  }

  private async page(
    manager: EntityManager,
    { buckets, limit, cursor }: Bucketed<SnapshotRequest> & { readonly cursor: SnapshotCursor },
    context: SyncContext,
    careful: boolean,
  ): Promise<StatementBatch<AnsweredPage>> {
    const { contract, isOlderSchema } = context;
    const client = registered(context);
    const read = readBuckets(client, buckets);
    const page = await this.snapshotter.page(manager, contract, cursor, read, limit, careful);
    const served = ready(context).lastSeq;
    return page.map((records) => {
      const result = { ...records, checkpoint: cursor.checkpoint, contract };
      return { result, client, served, isOlderSchema };
    });
  }

  /** Records a page for its device, and leaves to the consumer what the page has left out. */
  private async finish({ result, client, served, isOlderSchema }: AnsweredPage): Promise<void> {
    const { next, checkpoint, redeliveries } = result;
    const { dataSource } = this.requests;
    await requestRedeliveryApart(dataSource, client, redeliveries);
    const record =
      next === null
        ? completeSnapshot(client, checkpoint, served, isOlderSchema)
        : recordServed(client, served);
    await writeTogether(dataSource, record ? [record] : []);
  }
}
