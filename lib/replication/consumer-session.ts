import type { Client } from 'pg';
import type { Lsn } from '../common/lsn.js';
import type { SyncLogger } from '../common/sync-logger.js';
import { WORK_CHANNEL } from '../common/work-channel.js';
import { cutConnection } from '../database/pg-internals.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import { forgetForeignPositions } from '../store/changelog/wal-position.js';
import type { Caution } from './caution.js';
import type { ConsumerMonitor } from './consumer-monitor.js';
import type { WalConsumerOptions } from './consumer-options.js';
import { Housekeeping } from './housekeeping.js';
import { MembershipApplier } from './membership/membership-applier.js';
import { rowReports } from './row-reports.js';
import type { BucketRules } from './rules/bucket-rules.js';
import { connectConsumer, type ConsumerConfig } from './slot/consumer-connection.js';
import { FIRST_START } from './slot/slot.js';
import { heldPosition, prepareSlot } from './slot/slot-setup.js';
import { heartbeat } from './slot/heartbeat.js';
import type { UndecodableWal } from './slot/undecodable-wal.js';
import { disconnect } from './stream/disconnect.js';
import type { RecentRemovals } from './stream/recent-removals.js';
import { ReplicationStream } from './stream/replication-stream.js';
import { WalReader } from './stream/wal-reader.js';
import { TableRules } from './tables/table-rules.js';
import { TableWatch } from './tables/table-watch.js';
import type { TrackedTables } from './tables/tracked-tables.js';

/**
 * How often the consumer checks for work without a notification: failures that are due, changes that other instances
 * left.
 */
const HOUSEKEEPING_MS = 1_000;

export interface SessionContext {
  readonly registry: SyncRegistry;
  readonly tracked: TrackedTables;
  readonly bucketRules: BucketRules;
  readonly caution: Caution;
  readonly removals: RecentRemovals;
  readonly undecodable: UndecodableWal;
  readonly connection: ConsumerConfig;
  readonly options: WalConsumerOptions;
  readonly monitor: ConsumerMonitor;
  readonly logger: SyncLogger;
  /** Aborted when the app stops. */
  readonly signal: AbortSignal;
  /** Told when there are edges. */
  readonly onEdges: () => void;
}

/** One session of the WAL consumer: from taking the slot until something ends it. */
export class ConsumerSession {
  private stream: ReplicationStream | null = null;
  private writer: Client | null = null;
  private reader: WalReader | null = null;
  private workWaiting = true;

  constructor(private readonly context: SessionContext) {}

  /** Whether anything was applied. */
  get progressed(): boolean {
    return this.reader?.progressed ?? false;
  }

  /** The stored position from which it reads; 0: it has not begun to. */
  start: Lsn = 0n;

  /** How far the stream was read. */
  get reachedLsn(): Lsn {
    return this.reader?.reachedLsn ?? 0n;
  }

  /** Lets it notice that the app stops. */
  wake(): void {
    this.stream?.wake();
  }

  /** Cuts the writer's connection: that ends what it waits for, and nothing of an open transaction stays. */
  cut(): void {
    if (this.writer) cutConnection(this.writer);
  }

  /** Returns when the app stops, or when the tables have changed. @throws any other error that ends the session */
  async run(): Promise<void> {
    const { registry, tracked, bucketRules, caution, removals, connection, options, logger, signal } =
      this.context;
    const applier = new MembershipApplier(tracked, bucketRules, rowReports(logger, caution), removals);
    const rules = new TableRules(registry, bucketRules);
    const { slotName, publicationName, walSenderTimeout } = options;
    const client = await this.connect();
    this.writer = client;
    let stream: ReplicationStream | null = null;
    let stopHeartbeat: (() => void) | null = null;
    try {
      stopHeartbeat = await heartbeat(client, walSenderTimeout);
      const watch = await TableWatch.begin(client, tracked, publicationName);
      const prepared = await prepareSlot({
        client,
        connection,
        slotName,
        walSenderTimeout,
        applier,
        caution,
        undecodable: this.context.undecodable,
        rules,
        shapes: watch.shapes,
        onRebuild: (reason) => this.reportRebuild(reason),
        onWait: (blocker) => logger.warn('making the slot has to wait', { ...blocker }),
      });
      this.context.onEdges();
      stream = await ReplicationStream.open({
        connection,
        slotName,
        publicationName,
        start: prepared.confirmedLsn,
        ...tracked.decoding,
        walSenderTimeout,
        // What the writer waits for then may never come either; nothing of an open transaction stays.
        onSilence: (error) => cutConnection(client, error),
      });
      this.stream = stream;
      const position = await heldPosition(client, prepared);
      this.start = position.confirmedLsn;
      await forgetForeignPositions(client);
      logger.log('consuming slot', { slot: slotName });
      const reader = new WalReader({
        ...options,
        stream,
        client,
        position,
        applier,
        caution,
        signal,
      });
      this.reader = reader;
      await this.takeLead(reader, rules, applier);
      watch.scheduleCatchUp(reader, rules, applier, logger);
      await this.consume(client, stream, reader, applier, watch);
    } finally {
      stopHeartbeat?.();
      this.stream = null;
      this.writer = null;
      const cut = (): void => cutConnection(client);
      await Promise.all([stream?.close(), disconnect(() => client.end(), cut)]);
    }
  }

  private async takeLead(reader: WalReader, rules: TableRules, applier: MembershipApplier): Promise<void> {
    await reader.writer.between(async (tx) => {
      const reresolved = await rules.refresh(tx, applier);
      if (reresolved.length > 0)
        this.context.logger.log('resolved buckets again', { tables: reresolved.join(', ') });
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
    const { registry, options, logger, monitor, signal } = this.context;
    const housekeeping = new Housekeeping({ ...options, client, reader, registry, applier });
    const announce = (): void => {
      this.workWaiting = true;
      stream.wake();
    };
    client.on('notification', ({ payload = '' }) => {
      if (/^\d+$/.test(payload)) reader.requestPosition(BigInt(payload));
      announce();
    });
    await client.query(`LISTEN ${WORK_CHANNEL}`);
    // A commit of its own, so that the stream comes as far as the shapes' LSN.
    await client.query('SELECT pg_notify($1, $2)', [WORK_CHANNEL, watch.shapes.lsn.toString()]);
    let [timerFired, blocked] = [false, false];
    const timer = setInterval(() => {
      timerFired = true;
      announce();
    }, HOUSEKEEPING_MS);
    try {
      while (!signal.aborted) {
        const isDue = (timerFired || applier.pending.unidentifiedChanges) && !reader.writer.isWriting;
        // What waits for the log holds it up no more than once a second, or whenever there is more to do.
        const hasWork: boolean = this.workWaiting || (blocked && !stream.pending);
        if (isDue || hasWork) reader.writer.release();
        if (isDue) {
          timerFired = false;
          if (applier.pending.unidentifiedChanges || (await watch.hasChanged()))
            return logger.log('tables have changed');
        }
        if (hasWork) {
          this.workWaiting = false;
          const work = await housekeeping.run();
          this.workWaiting ||= work === 'more';
          blocked = work === 'blocked';
        }
        // Housekeeping takes turns with the stream.
        if (!this.workWaiting || stream.pending) await reader.step();
        // What has failed fails until it gets further: a session that ends at the same batch again is no recovery.
        if (monitor.report.state !== 'failing' || reader.progressed) monitor.enter('consuming');
      }
    } finally {
      clearInterval(timer);
      reader.writer.release();
    }
  }

  private async connect(): Promise<Client> {
    const client = await connectConsumer({ ...this.context.connection, pipeline: true });
    client.on('error', () => this.stream?.wake());
    return client;
  }

  private reportRebuild(reason: string): void {
    const { options, logger } = this.context;
    const slot = options.slotName;
    if (reason === FIRST_START) logger.log('making the slot and the first edges', { slot });
    else logger.warn('making a new slot; every device will take a snapshot', { slot, reason });
  }
}
