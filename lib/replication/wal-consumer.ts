import { isDataError } from '../database/database-error.js';
import { describeError } from '../common/describe-error.js';
import type { SynchroProblem } from '../common/errors.js';
import type { SyncLogger } from '../common/sync-logger.js';
import type { OwnershipResolver } from '../resolvers/ownership-resolver.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import { backoff, nextAttempt, pause } from './stream/backoff.js';
import { BucketRules } from './rules/bucket-rules.js';
import { Caution } from './caution.js';
import { RecentRemovals } from './stream/recent-removals.js';
import { UndecodableWal } from './slot/undecodable-wal.js';
import { consumerConnection, withConsumer, type ConsumerConfig } from './slot/consumer-connection.js';
import type { ConsumerMonitor } from './consumer-monitor.js';
import type { WalConsumerOptions } from './consumer-options.js';
import { publishPhase } from './consumer-phase.js';
import { ConsumerSession } from './consumer-session.js';
import { ensurePublication } from './slot/publication.js';
import { consumerProblems } from './slot/setup-problems.js';
import { isSlotBusy } from './slot/slot-setup.js';
import { TrackedTables } from './tables/tracked-tables.js';

/** How long the app's start waits for the first edges: without them there is nothing that devices could be sent. */
const FIRST_EDGES_MS = 30_000;
/** A standby tries to get the slot at this steady step of the backoff: about every second. */
const STANDBY_ATTEMPT = 4;
/** How long the batch at hand may take once the app stops: it may wait for a lock of somebody else's. */
const LAST_BATCH_MS = 3_000;

/**
 * The WAL consumer: the only writer of the changelog. Of several instances one holds the slot and consumes; the
 * others stand by. When a session ends (a lost connection, a failed apply, a taken slot), the next one goes on from
 * the stored position.
 */
export class WalConsumer {
  private readonly stopping = new AbortController();
  private readonly connection: ConsumerConfig;
  private readonly tracked: TrackedTables;
  private readonly bucketRules: BucketRules;
  private readonly caution = new Caution();
  private readonly removals = new RecentRemovals();
  private readonly undecodable = new UndecodableWal();
  private running: Promise<void> | null = null;
  /** The one at hand, or the last one. */
  private session: ConsumerSession | null = null;
  /** Aborted as soon as there are edges. */
  private readonly edgesMissing = new AbortController();

  constructor(
    private readonly registry: SyncRegistry,
    ownership: OwnershipResolver,
    private readonly options: WalConsumerOptions,
    private readonly monitor: ConsumerMonitor,
    private readonly logger: SyncLogger,
  ) {
    this.bucketRules = new BucketRules(ownership, {
      buckets: options.maxBucketsPerRow,
      time: options.ruleTimeout,
      onLate: (what) => this.reportLate(what),
    });
    this.connection = consumerConnection(options.connection, options.walSenderTimeout, options.schema);
    this.tracked = new TrackedTables(registry, (table) => !this.bucketRules.isDefault(table));
  }

  /** Finds what keeps it from starting: in the server, the role, the tables or the publication. */
  async problems(): Promise<readonly SynchroProblem[]> {
    return consumerProblems(this.connection, this.tracked, this.options);
  }

  /**
   * Makes what replication needs, then consumes in the background until {@link stop}. There must be no
   * {@link problems}.
   * @throws SynchroError when the role may not make the publication, with the SQL to run
   */
  async start(): Promise<void> {
    this.monitor.enter('starting');
    await withConsumer(this.connection, (client) =>
      ensurePublication(client, this.options.publicationName, this.tracked),
    );
    this.running = this.run();
    await pause(FIRST_EDGES_MS, AbortSignal.any([this.edgesMissing.signal, this.stopping.signal]));
    if (!this.edgesMissing.signal.aborted)
      this.logger.warn('there are no edges yet: devices are answered 503');
  }

  /** Finishes the batch at hand, or leaves it to the next session when it takes too long, and lets go of the slot. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.session?.wake();
    const patience = setTimeout(() => this.session?.cut(), LAST_BATCH_MS);
    await this.running;
    clearTimeout(patience);
    this.monitor.enter('off');
  }

  private async run(): Promise<void> {
    let attempt = 0;
    while (!this.stopping.signal.aborted) {
      const began = performance.now();
      const session = this.newSession();
      this.session = session;
      let standby = false;
      try {
        await session.run();
      } catch (error) {
        standby = isSlotBusy(error);
        this.undecodable.note(error, session.start);
        // The next one finds the row.
        if (isDataError(error) && this.caution.take(session.reachedLsn)) continue;
        this.report(error);
      }
      publishPhase('standby');
      // Another instance consumes, so there are edges.
      if (standby) this.edgesMissing.abort();
      const milliseconds = performance.now() - began;
      attempt = nextAttempt(attempt, { standby, progressed: session.progressed, milliseconds });
      await pause(backoff(standby ? STANDBY_ATTEMPT : attempt), this.stopping.signal);
    }
  }

  private newSession(): ConsumerSession {
    const { registry, tracked, bucketRules, caution, removals, undecodable } = this;
    const { connection, options, monitor, logger } = this;
    return new ConsumerSession({
      registry,
      tracked,
      bucketRules,
      caution,
      removals,
      undecodable,
      connection,
      options,
      monitor,
      logger,
      signal: this.stopping.signal,
      onEdges: () => this.edgesMissing.abort(),
    });
  }

  private reportLate(what: string): void {
    this.monitor.enter('failing', what);
    this.logger.error('the WAL consumer waits for a bucket rule', { rule: what });
  }

  private report(error: unknown): void {
    const text = describeError(error);
    if (isSlotBusy(error)) {
      this.monitor.enter('standby');
      this.logger.debug('standing by', { reason: text });
    } else if (!this.stopping.signal.aborted) {
      this.monitor.enter('failing', text);
      this.logger.error('the WAL consumer stopped and will try again', { error: text });
    }
  }
}
