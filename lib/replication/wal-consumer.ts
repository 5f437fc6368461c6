import type { Client } from 'pg';
import { isDataError } from '../database/database-error.js';
import { describeError } from '../common/describe-error.js';
import type { SynchroProblem } from '../common/errors.js';
import type { Lsn } from '../common/lsn.js';
import type { SyncLogger } from '../common/sync-logger.js';
import { WORK_CHANNEL } from '../common/work-channel.js';
import type { OwnershipResolver } from '../resolvers/ownership-resolver.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import { forgetForeignPositions } from '../store/changelog/wal-position.js';
import { backoff, nextAttempt, pause } from './stream/backoff.js';
import { BucketRules } from './rules/bucket-rules.js';
import { Caution } from './caution.js';
import {
  connectConsumer,
  consumerConnection,
  withConsumer,
  type ConsumerConfig,
} from './slot/consumer-connection.js';
import type { ConsumerMonitor } from './consumer-monitor.js';
import type { WalConsumerOptions } from './consumer-options.js';
import { publishPhase } from './consumer-phase.js';
import { disconnect } from './stream/disconnect.js';
import { Housekeeping } from './housekeeping.js';
import { MembershipApplier } from './membership/membership-applier.js';
import { ensurePublication } from './slot/publication.js';
import { ReplicationStream } from './stream/replication-stream.js';
import { rowReports } from './row-reports.js';
import { consumerProblems } from './slot/setup-problems.js';
import { FIRST_START } from './slot/slot.js';
import { heldPosition, isSlotBusy, prepareSlot } from './slot/slot-setup.js';
import { TableRules } from './tables/table-rules.js';
import { TableWatch } from './tables/table-watch.js';
import { TrackedTables } from './tables/tracked-tables.js';
import { WalReader } from './stream/wal-reader.js';
import { leaseWriter } from './slot/writer-lease.js';

/** How long the app's start waits for the first edges: without them there is nothing that devices could be sent. */
const FIRST_EDGES_MS = 30_000;
/** A standby looks for the slot at this steady step of the backoff: about every second. */
const STANDBY_ATTEMPT = 4;
/** How often work that nobody announced is looked for: failures that are due, changes left by other instances. */
const HOUSEKEEPING_MS = 1_000;
/** How long the batch at hand may take once the app stops: it may wait for a lock of somebody else's. */
const LAST_BATCH_MS = 3_000;

/**
 * The WAL consumer: the only writer of the changelog. Of several instances one holds the slot and consumes; the
 * others stand by. Whatever ends a session (a lost connection, a failed apply, a taken slot), the next one goes
 * on from the stored position.
 */
export class WalConsumer {
  private readonly stopping = new AbortController();
  private readonly connection: ConsumerConfig;
  private readonly tracked: TrackedTables;
  private readonly bucketRules: BucketRules;
  private readonly caution = new Caution();
  private stream: ReplicationStream | null = null;
  private writer: Client | null = null;
  private running: Promise<void> | null = null;
  /** Of the session at hand, or of the last one. */
  private reader: WalReader | null = null;
  private workWaiting = true;
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

  /** What keeps it from starting: in the server, the role, the tables or the publication. */
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
      this.logger.warn('there are no edges yet: devices are asked to come back');
  }

  /** Finishes the batch at hand, or leaves it to the next session when it takes too long, and lets go of the slot. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.stream?.wake();
    // Cutting a connection ends what it waits for, and nothing of an open transaction stays.
    const patience = setTimeout(() => this.writer?.connection.stream.destroy(), LAST_BATCH_MS);
    await this.running;
    clearTimeout(patience);
    this.monitor.enter('off');
  }

  private get progress(): { readonly progressed: boolean; readonly reachedLsn: Lsn } {
    return this.reader ?? { progressed: false, reachedLsn: 0n };
  }

  private async run(): Promise<void> {
    let attempt = 0;
    while (!this.stopping.signal.aborted) {
      const began = performance.now();
      this.reader = null;
      let standby = false;
      try {
        await this.session();
      } catch (error) {
        standby = isSlotBusy(error);
        // The next one finds the row.
        if (isDataError(error) && this.caution.take(this.progress.reachedLsn)) continue;
        this.report(error);
      }
      publishPhase('standby');
      // Another instance consumes, so there are edges.
      if (standby) this.edgesMissing.abort();
      const milliseconds = performance.now() - began;
      attempt = nextAttempt(attempt, { standby, progressed: this.progress.progressed, milliseconds });
      await pause(backoff(standby ? STANDBY_ATTEMPT : attempt), this.stopping.signal);
    }
  }

  private async session(): Promise<void> {
    const applier = new MembershipApplier(
      this.tracked,
      this.bucketRules,
      rowReports(this.logger, this.caution),
    );
    const rules = new TableRules(this.registry, this.bucketRules);
    const { slotName, publicationName, walSenderTimeout } = this.options;
    const client = await this.connect();
    this.writer = client;
    let stream: ReplicationStream | null = null;
    let endLease: (() => void) | null = null;
    try {
      endLease = await leaseWriter(client, walSenderTimeout);
      const watch = await TableWatch.begin(client, this.tracked, publicationName);
      const prepared = await prepareSlot({
        client,
        connection: this.connection,
        slotName,
        walSenderTimeout,
        applier,
        caution: this.caution,
        rules,
        shapes: watch.shapes,
        onRebuild: (reason) => this.reportRebuild(reason),
        onWait: (blocker) => this.logger.warn('making the slot has to wait', { ...blocker }),
      });
      this.edgesMissing.abort();
      stream = await ReplicationStream.open({
        connection: this.connection,
        slotName,
        publicationName,
        start: prepared.confirmedLsn,
        ...this.tracked.decoding,
        walSenderTimeout,
        // What the writer waits for then may never come either; nothing of an open transaction stays.
        onSilence: (error) => client.connection.stream.destroy(error),
      });
      this.stream = stream;
      const position = await heldPosition(client, prepared);
      await forgetForeignPositions(client);
      this.logger.log('consuming slot', { slot: slotName });
      const reader = new WalReader({
        ...this.options,
        stream,
        client,
        position,
        applier,
        caution: this.caution,
        signal: this.stopping.signal,
      });
      this.reader = reader;
      await this.takeLead(reader, rules, applier);
      watch.scheduleCatchUp(reader, rules, applier, this.logger);
      await this.consume(client, stream, reader, applier, watch);
    } finally {
      endLease?.();
      this.stream = null;
      this.writer = null;
      const cut = (): void => void client.connection.stream.destroy();
      await Promise.all([stream?.close(), disconnect(() => client.end(), cut)]);
    }
  }

  private async takeLead(reader: WalReader, rules: TableRules, applier: MembershipApplier): Promise<void> {
    await reader.between(async (tx) => {
      const resettled = await rules.refresh(tx, applier);
      if (resettled.length > 0) this.logger.log('resolved buckets again', { tables: resettled.join(', ') });
      await applier.survey(tx);
    });
  }

  /** Returns when the app stops, or when the tables are no longer as they were: the next session begins with that. */
  private async consume(
    client: Client,
    stream: ReplicationStream,
    reader: WalReader,
    applier: MembershipApplier,
    watch: TableWatch,
  ): Promise<void> {
    const { registry, options } = this;
    const housekeeping = new Housekeeping({ ...options, client, reader, registry, applier });
    const announce = (): void => {
      this.workWaiting = true;
      stream.wake();
    };
    client.on('notification', ({ payload = '' }) => {
      if (/^\d+$/.test(payload)) reader.want(BigInt(payload));
      announce();
    });
    await client.query(`LISTEN ${WORK_CHANNEL}`);
    // A commit of its own, so that the stream comes as far as the shapes' LSN.
    await client.query('SELECT pg_notify($1, $2)', [WORK_CHANNEL, watch.shapes.lsn.toString()]);
    let [lookAgain, blocked] = [false, false];
    const timer = setInterval(() => {
      lookAgain = true;
      announce();
    }, HOUSEKEEPING_MS);
    try {
      while (!this.stopping.signal.aborted) {
        const isDue = (lookAgain || applier.unseen) && !reader.isWriting;
        // What waits for the log holds it up no more than once a second, or whenever there is more to do.
        const hasWork: boolean = this.workWaiting || (blocked && !stream.pending);
        if (isDue || hasWork) reader.release();
        if (isDue) {
          lookAgain = false;
          if (applier.unseen || (await watch.hasChanged())) return this.logger.log('tables have changed');
        }
        if (hasWork) {
          this.workWaiting = false;
          const work = await housekeeping.run();
          this.workWaiting ||= work === 'more';
          blocked = work === 'blocked';
        }
        // What is asked for takes its turn with what has arrived.
        if (!this.workWaiting || stream.pending) await reader.step();
        // What has failed fails until it gets further: a session that ends at the same batch again is no recovery.
        if (this.monitor.report.state !== 'failing' || reader.progressed) this.monitor.enter('consuming');
      }
    } finally {
      clearInterval(timer);
      reader.release();
    }
  }

  private async connect(): Promise<Client> {
    const client = await connectConsumer({ ...this.connection, pipeline: true });
    client.on('error', () => this.stream?.wake());
    return client;
  }

  private reportRebuild(reason: string): void {
    const slot = this.options.slotName;
    if (reason === FIRST_START) this.logger.log('making the slot and the first edges', { slot });
    else this.logger.warn('making the slot anew; every device will take a snapshot', { slot, reason });
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
