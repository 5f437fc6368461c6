import { Coalescer } from './coalescer.js';
import { ContractNotLoadedError } from '../request/contract-not-loaded.error.js';
import { OutdatedLogError } from '../request/outdated-log.error.js';
import { emptyPage, snapshotReason } from './puller.js';
import { toPulled, type Pulled } from './pulled.js';
import type { RequestTransactions } from '../request/request-transactions.js';
import {
  ready,
  registered,
  type ContextReader,
  type GlanceRequest,
  type GlanceRow,
} from '../request/sync-context.js';
import type { PullRequest, PullResult } from '../request/sync-requests.js';

/** So many devices that have more to come are remembered. */
const MOST_BEHIND = 10_000;

/** Answers the pulls that have nothing to bring, which are most: those that come together by one statement. */
export class Glances {
  private readonly rows: Coalescer<GlanceRequest, GlanceRow>;
  /** The checkpoint from which a device was told that there is more. */
  private readonly behind = new Map<string, bigint>();

  constructor(
    private readonly transactions: RequestTransactions,
    private readonly contexts: ContextReader,
  ) {
    this.rows = new Coalescer((asked) => transactions.single((manager) => contexts.glance(manager, asked)));
  }

  /**
   * @param buckets what the user may read now
   * @returns null when there may be something, or when a transaction has to be tried again until that can be told
   * @throws SynchroError what a pull throws
   */
  async pull(request: PullRequest, buckets: readonly string[]): Promise<Pulled | null> {
    if (!this.transactions.hasSingle || this.behind.get(deviceOf(request)) === request.checkpoint)
      return null;
    const row = await this.rows.ask(request);
    try {
      const context = this.contexts.glanced({ ...request, buckets }, row);
      const client = registered(context);
      const log = ready(context);
      const reason = snapshotReason(client, log, request.checkpoint);
      if (reason === null && context.hasNews) return null;
      return toPulled(request, buckets, { ...context, client, log }, reason ?? emptyPage(request, log));
    } catch (error) {
      if (error instanceof ContractNotLoadedError || error instanceof OutdatedLogError) return null;
      throw error;
    }
  }

  /** Remembers who was told that there is more. Of those that another instance has told, a glance finds it out. */
  learn(request: PullRequest, { hasMore, checkpoint }: PullResult): void {
    const device = deviceOf(request);
    this.behind.delete(device);
    if (!hasMore) return;
    this.behind.set(device, checkpoint);
    const [first] = this.behind.keys();
    if (first !== undefined && this.behind.size > MOST_BEHIND) this.behind.delete(first);
  }
}

function deviceOf({ userId, clientId }: PullRequest): string {
  return JSON.stringify([userId, clientId]);
}
