import type { DataSource, EntityManager } from 'typeorm';
import type { HookRunner } from '../../hooks/hook-runner.js';
import { pipelined, type Statement } from '../../database/pipeline.js';
import { Ending, inTransaction, type Opened, type SqlRunner } from '../../database/session.js';
import { notePushPosition } from '../../store/clients/push-position.js';
import { notePush, noteUnlogged, type SyncClient } from '../../store/clients/sync-clients.js';
import { noteSubscriptions } from '../request/note-subscriptions.js';
import { OutdatedLogError } from '../request/outdated-log.error.js';
import { notePassedOver, passedOverSql } from '../rows/passed-over.js';
import type { PushContext } from './push-change.js';
import type { AppliedPush, PushService } from './push.service.js';
import type { RequestTransactions } from '../request/request-transactions.js';
import { admit } from '../register/stale-client.js';
import type { ContextReader } from '../request/sync-context.js';
import type { PushOutcome, PushRequest } from '../request/sync-requests.js';

/** So many looks in a row that find the log outdated mean that it is. Fewer than a transaction is tried. */
const SURE = 3;

type BucketedPush = PushRequest & { readonly buckets: readonly string[] };

type PushWork = (manager: EntityManager, caller: PushContext, begun: Opened) => Promise<AppliedPush>;

/** Pushes, each in one transaction, or in several where that one fails. */
export class PushRequests {
  constructor(
    private readonly dataSource: DataSource,
    private readonly transactions: RequestTransactions,
    private readonly contexts: ContextReader,
    private readonly pusher: PushService,
    private readonly hooks: HookRunner,
  ) {}

  async apply(request: BucketedPush): Promise<PushOutcome> {
    const push = this.pusher.split<PushOutcome>(ownTransactions(this.dataSource), request, {
      apply: (changes, progress) =>
        this.run({ ...request, changes }, (manager, caller, begun) =>
          this.pusher.apply(manager, caller, changes, begun, progress),
        ),
      giveUp: (changes, why) =>
        this.run({ ...request, changes }, (manager, caller, begun) =>
          this.pusher.giveUp(manager, caller, changes, begun, why),
        ),
    });
    const parts = await push.apply(request.changes);
    return { results: parts.flatMap(({ results }) => results), contract: parts[0].contract };
  }

  /** One transaction, and what is to be done once it is committed. */
  private async run(asked: BucketedPush, work: PushWork): Promise<PushOutcome> {
    const { userId, clientId, buckets } = asked;
    // A hook that may refuse the device comes before the push's own beginning, which may change the role.
    const early = !this.hooks.has('onStaleClient');
    const begin = (manager: EntityManager, attempt: number): readonly Statement[] =>
      this.pusher.beginning(manager, userId, asked.changes, attempt > 1);
    const { conflicts, ...outcome } = await this.transactions.write(
      async (manager, opened, attempt) => {
        const context = this.contexts.open(asked, opened);
        const client = await admit(this.hooks, manager, asked, context);
        const { contract } = context;
        // The slot may have moved on since the snapshot in which the log was read, a moment ago: then another look helps.
        if (context.log?.isOutdated === true && attempt < SURE) throw new OutdatedLogError();
        // An outdated log doesn't know who sees what: the user's own rows are all there is, then.
        const visible = context.log?.isOutdated ? [] : buckets;
        const isRerun = attempt > 1;
        const caller = { contract, userId, clientId, buckets: visible, subscriptions: buckets, isRerun };
        const begun = early ? opened.slice(1) : await pipelined(manager, begin(manager, attempt));
        const { corrections, ...applied } = await work(manager, caller, begun);
        const { redelivered, withdrawn } = corrections;
        await notePassedOver(manager, client, redelivered);
        // Also tells when a hook has swallowed an error of the transaction: its COMMIT would be silent about it.
        const { results, shared } = applied;
        const gone = isAwaitingBuckets(client, buckets) ? [...withdrawn, ...shared] : withdrawn;
        return new Ending(
          [notePush(manager, client), ...noteBuckets(client, buckets, shared.length > 0)],
          () => ({ ...applied, contract }),
          // Behind the commit, so that devices have the rows before the ids that those replace are withdrawn.
          [
            ...passedOverSql(client, gone),
            ...(results.some(({ accepted }) => accepted)
              ? [notePushPosition(manager, client, shared.length > 0)]
              : []),
          ],
        );
      },
      this.contexts.opening(asked, early ? begin : undefined),
    );
    for (const conflict of conflicts) await this.hooks.inform('onConflict', conflict);
    return outcome;
  }
}

/**
 * What a push has seen of its user's buckets. What was refused as out of sight stays on the device as it is there: should
 * it come back, it has to come anew.
 */
function noteBuckets(
  client: SyncClient,
  buckets: readonly string[],
  isShared: boolean,
): readonly Statement[] {
  if (client.acknowledged === null) return [];
  return [
    ...noteSubscriptions(client, buckets, client.acknowledged),
    ...(isShared ? noteUnlogged(client, buckets) : []),
  ];
}

/** Whether rows may have been pushed into a bucket that only comes: they may be gone by then, and nothing tells the device. */
function isAwaitingBuckets(
  { acknowledged, buckets: stored }: SyncClient,
  buckets: readonly string[],
): boolean {
  return acknowledged !== null && buckets.some((bucket) => !stored.includes(bucket));
}

/** Statements that are each a transaction, on a connection of their own. */
function ownTransactions(dataSource: DataSource): SqlRunner {
  return {
    query: (sql: string, parameters?: unknown[]) =>
      inTransaction(dataSource, 'write', (manager) => manager.query(sql, parameters)),
  };
}
