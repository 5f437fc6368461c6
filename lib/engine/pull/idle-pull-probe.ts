import { ContractNotLoadedError } from '../request/contract-not-loaded.error.js';
import type { ProbeRow } from '../request/context-row.js';
import { OutdatedLogError } from '../request/outdated-log.error.js';
import type { Requests } from '../request/requests.js';
import { ready, registered, type ProbeRequest } from '../request/sync-context.js';
import type { Bucketed, SyncRequest } from '../request/sync-request.js';
import { Coalescer } from './coalescer.js';
import { snapshotReason, type SnapshotReason } from './checkpoints.js';
import { emptyPage, type PullContext, type PullPage, type PullQuery } from './puller.js';

/** So many devices that have more to come are remembered. */
const MAX_BACKLOGS = 10_000;

type ProbedPull = Bucketed<SyncRequest & Pick<PullQuery, 'checkpoint' | 'tables'>>;

/** A pull that brings nothing: an empty page, or why the device has to take a snapshot. */
interface IdlePull {
  readonly context: PullContext;
  readonly page: PullPage | SnapshotReason;
}

/** Answers the pulls that have nothing to bring, which are most: those that come together by one statement. */
export class IdlePullProbe {
  private readonly rows: Coalescer<ProbeRequest, ProbeRow>;
  /** The checkpoint from which the device's last pull had more to come. */
  private readonly backlogs = new Map<string, bigint>();

  constructor(private readonly requests: Requests) {
    const { transactions, contexts } = requests;
    this.rows = new Coalescer((asked) => transactions.single((manager) => contexts.probe(manager, asked)));
  }

  /**
   * @returns null when there may be something, or when the transaction has to be tried again before that is known
   * @throws SynchroError as a pull does
   */
  async pull(request: ProbedPull): Promise<IdlePull | null> {
    const { transactions, contexts } = this.requests;
    if (!transactions.hasSingle || this.backlogs.get(deviceOf(request)) === request.checkpoint) return null;
    const row = await this.rows.ask(request);
    try {
      const read = contexts.open(request, row);
      const context = { ...read, client: registered(read), log: ready(read) };
      const reason = snapshotReason(context.client, context.log, request.checkpoint);
      if (reason !== null) return { context, page: reason };
      return row.has_news ? null : { context, page: emptyPage(request, context.log) };
    } catch (error) {
      if (error instanceof ContractNotLoadedError || error instanceof OutdatedLogError) return null;
      throw error;
    }
  }

  /** Remembers the devices that have more to come. A probe finds those that another instance has answered. */
  rememberBacklog(request: SyncRequest, { hasMore, checkpoint }: PullPage): void {
    const device = deviceOf(request);
    this.backlogs.delete(device);
    if (!hasMore) return;
    this.backlogs.set(device, checkpoint);
    const [first] = this.backlogs.keys();
    if (first !== undefined && this.backlogs.size > MAX_BACKLOGS) this.backlogs.delete(first);
  }
}

function deviceOf({ userId, clientId }: SyncRequest): string {
  return JSON.stringify([userId, clientId]);
}
