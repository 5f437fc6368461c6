import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import type { Lsn } from '../../common/lsn.js';
import { type SqlStatement, StatementBatch } from '../../database/pipeline.js';
import { ClosingStatements, inTransaction, type SqlRunner } from '../../database/session.js';
import { HookRunner } from '../../hooks/hook-runner.js';
import { SubscribedBuckets } from '../../resolvers/subscribed-buckets.js';
import type { SchemaContract } from '../../schema/schema-contract.js';
import { pushPositionOf, recordPushPosition } from '../../store/clients/push-position.js';
import { recordPush, recordUnlogged, type SyncClient } from '../../store/clients/sync-clients.js';
import { admit } from '../register/admit.js';
import { difference } from '../pull/bucket-difference.js';
import { OutdatedLogError } from '../request/outdated-log.error.js';
import type { RequestOpening } from '../request/request-transactions.js';
import { Requests } from '../request/requests.js';
import { queueSubscriptionChange } from '../request/subscription-change.js';
import type { SyncContext } from '../request/sync-context.js';
import type { Bucketed, SyncRequest } from '../request/sync-request.js';
import { redeliverySql, requestRedelivery } from '../rows/redelivery.js';
import { type AppliedPush, ChangeApplier } from './change-applier.js';
import type { PushChange, PushContext, PushResult } from './push-change.js';
import type { OpenedPush } from './push-opening.js';
import { pushStorable } from './values/unstorable.js';

export interface PushRequest extends SyncRequest {
  readonly changes: readonly PushChange[];
}

export interface PushOutcome {
  /** One verdict for each change, in the order of the changes. */
  readonly results: readonly PushResult[];
  readonly contract: SchemaContract;
  /** Where in the WAL all of it that was applied is committed; null: nothing was. */
  readonly commit: Lsn | null;
}

/** After this number of reads in a row that find the log outdated, it is. Fewer than a transaction is tried. */
const SURE = 3;

/** The result of one transaction. */
type PushedPart = Omit<AppliedPush, 'corrections'> & Pick<PushOutcome, 'contract' | 'commit'>;

type PushWork = (manager: EntityManager, caller: PushContext, opened: OpenedPush) => Promise<AppliedPush>;

/** Applies a device's changes, in one transaction, or in several where that one fails. */
@Injectable()
export class Push {
  constructor(
    private readonly requests: Requests,
    private readonly subscriptions: SubscribedBuckets,
    private readonly applier: ChangeApplier,
    private readonly hooks: HookRunner,
  ) {}

  async run(request: PushRequest): Promise<PushOutcome> {
    const asked = { ...request, buckets: await this.subscriptions.of(request) };
    return pushStorable(this.requests.dataSource, request.changes, (changes) =>
      this.inParts({ ...asked, changes }),
    );
  }

  private async inParts(request: Bucketed<PushRequest>): Promise<PushOutcome> {
    const { applier } = this;
    const push = applier.split<PushOutcome>(ownTransactions(this.requests.dataSource), request, {
      apply: (changes, progress) =>
        this.transaction({ ...request, changes }, (manager, caller, opened) =>
          applier.apply(manager, caller, changes, opened, progress),
        ),
      giveUp: (changes, why) =>
        this.transaction({ ...request, changes }, (manager, caller, opened) =>
          applier.giveUp(manager, caller, changes, opened, why),
        ),
    });
    const parts = await push.apply(request.changes);
    return {
      results: parts.flatMap(({ results }) => results),
      contract: parts[0].contract,
      commit: lastOf(parts.map(({ commit }) => commit)),
    };
  }

  /** One transaction, and what is to be done once it is committed. */
  private async transaction(asked: Bucketed<PushRequest>, work: PushWork): Promise<PushOutcome> {
    const { userId, clientId, buckets } = asked;
    const begin: RequestOpening<OpenedPush> = (manager, attempt) =>
      this.applier.opening(manager, userId, asked.changes, attempt > 1);
    const { conflicts, ...outcome } = await this.requests.transactions.write(
      this.opening(asked, begin),
      async (manager, { context, push }, attempt) => {
        const client = await admit(this.hooks, manager, asked, context);
        const { contract } = context;
        // The slot may have moved on since the snapshot in which the log was read, a moment ago: then another read
        // helps.
        if (context.log?.isOutdated === true && attempt < SURE) throw new OutdatedLogError();
        // An outdated log doesn't know the readers of rows, so only the user's own rows count.
        const visible = context.log?.isOutdated ? [] : buckets;
        const isRerun = attempt > 1;
        const isContractChanged = (): Promise<boolean> => this.requests.contexts.isChanged(manager, contract);
        const caller: PushContext = {
          contract,
          userId,
          clientId,
          buckets: visible,
          subscriptions: buckets,
          isRerun,
          isContractChanged,
        };
        const opened = push ?? (await begin(manager, attempt).run(manager));
        const { corrections, ...applied } = await work(manager, caller, opened);
        const { redelivered, withdrawn } = corrections;
        await requestRedelivery(manager, client, redelivered);
        const { results, shared } = applied;
        const gone = isAwaitingBuckets(client, buckets) ? [...withdrawn, ...shared] : withdrawn;
        const isApplied = results.some(({ accepted }) => accepted);
        return new ClosingStatements({
          reads: StatementBatch.of<PushedPart>({ ...applied, contract, commit: null }),
          // It also fails where a hook has swallowed an error of the transaction: its COMMIT would not report that.
          writes: [recordPush(manager, client), ...bucketRecords(client, buckets, shared.length > 0)],
          // Behind the commit, so that devices have the rows before the ids that those replace are withdrawn.
          afterCommit: [
            ...redeliverySql(client, gone),
            ...(isApplied ? [recordPushPosition(manager, client, shared.length > 0)] : []),
          ],
          complete: (pushed, rows) =>
            isApplied ? { ...pushed, commit: pushPositionOf(rows.at(-1)) } : pushed,
        });
      },
      { worksBetween: true },
    );
    for (const conflict of conflicts) await this.hooks.inform('onConflict', conflict);
    return outcome;
  }

  /** `push` is null where a hook may refuse the device first: the push's own opening may change the role. */
  private opening(
    asked: Bucketed<PushRequest>,
    begin: RequestOpening<OpenedPush>,
  ): RequestOpening<{ readonly context: SyncContext; readonly push: OpenedPush | null }> {
    const read = this.requests.contexts.opening(asked);
    const isLate = this.hooks.has('onStaleClient');
    return (manager, attempt) =>
      StatementBatch.together<{ context: SyncContext; push: OpenedPush | null }>({
        context: read(manager, attempt),
        push: isLate ? StatementBatch.of(null) : begin(manager, attempt),
      });
  }
}

/**
 * The buckets of its user that a push has seen. A change that was refused as out of sight leaves the row on the
 * device: once in sight again, the row has to be delivered again.
 */
function bucketRecords(
  client: SyncClient,
  buckets: readonly string[],
  isShared: boolean,
): readonly SqlStatement[] {
  if (client.acknowledged === null) return [];
  return [
    ...queueSubscriptionChange(client, buckets, client.acknowledged),
    ...(isShared ? recordUnlogged(client, buckets) : []),
  ];
}

function lastOf(commits: readonly (Lsn | null)[]): Lsn | null {
  return commits.reduce((last, commit) => (commit !== null && (last ?? -1n) < commit ? commit : last), null);
}

/**
 * Whether rows may have been pushed into a bucket that is still to come: they may be gone by then, without an entry
 * for the device.
 */
function isAwaitingBuckets(
  { acknowledged, buckets: stored }: SyncClient,
  buckets: readonly string[],
): boolean {
  return acknowledged !== null && (difference(stored, buckets)?.added.length ?? 0) > 0;
}

/** Statements that are each a transaction, on a connection of their own. */
function ownTransactions(dataSource: DataSource): SqlRunner {
  return {
    query: (sql: string, parameters?: unknown[]) =>
      inTransaction(dataSource, 'write', (manager) => manager.query(sql, parameters)),
  };
}
