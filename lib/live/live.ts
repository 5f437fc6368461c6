import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { clientBucket } from '../common/canonical-id.js';
import { SynchroError } from '../common/errors.js';
import { SyncLogger } from '../common/sync-logger.js';
import { SYNC_DATA_SOURCE } from '../database/data-source.token.js';
import { SubscribedBuckets } from '../resolvers/subscribed-buckets.js';
import type { SchemaContract } from '../schema/schema-contract.js';
import { SchemaService } from '../schema/schema.service.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import { readLive, type LiveSettings, type SynchroSettings } from '../settings/synchro.settings.js';
import type { LiveClient } from '../store/clients/live-clients.js';
import { HeadWatcher } from './head-watcher.js';
import { LiveBusyError } from './live-busy.error.js';
import { type ConnectedDevice, LiveConnection } from './live-connection.js';
import { LiveHub } from './live-hub.js';
import { LiveReads } from './live-reads.js';
import type { LiveSink } from './live-sink.js';
import { LogSignal } from './log-signal.js';
import { pokeInterval, PokeRate } from './pacing.js';
import { PokeTimes } from './poke-times.js';
import { Upkeep } from './upkeep.js';

export interface LiveRequest {
  /** Canonical. */
  readonly userId: string;
  readonly clientId: string;
  /** The device's checkpoint. null: it hears of entries from now on, and of no earlier ones. */
  readonly since: bigint | null;
}

/** A connection that sends nothing until it begins. */
export interface OpenedConnection {
  readonly connection: LiveConnection;
  /** High-water mark of the log. */
  readonly checkpoint: bigint;
  readonly contract: SchemaContract;
}

/** Figures of the live channel of an instance. */
export interface LiveReport {
  /** Devices that are connected. */
  readonly connections: number;
  /** Sent to devices since the start. */
  readonly pokes: number;
  /** Milliseconds from a commit to its poke, of the last 1,000; null before the first. */
  readonly pokeDelay: { readonly p50: number; readonly p99: number } | null;
}

/** Pokes connected devices when there is something to pull. */
@Injectable()
export class Live implements BeforeApplicationShutdown {
  /** Whether there is a live channel at all. */
  readonly isOn: boolean;
  private readonly settings: LiveSettings;
  private readonly hub = new LiveHub();
  private readonly reads: LiveReads;
  private readonly watcher: HeadWatcher;
  private readonly upkeep: Upkeep;
  private readonly pokeTimes = new PokeTimes();
  private readonly pokeRate = new PokeRate();
  private pokes = 0;
  private opening = 0;
  private isStopped = false;

  constructor(
    @Inject(SYNC_DATA_SOURCE) dataSource: DataSource,
    @Inject(SYNCHRO_OPTIONS) settings: Pick<SynchroSettings, 'live' | 'logger' | 'preparedStatements'>,
    private readonly subscriptions: SubscribedBuckets,
    private readonly schemas: SchemaService,
    signal: LogSignal,
  ) {
    const { live } = settings;
    this.isOn = live !== false;
    this.settings = live === false ? readLive({}) : live;
    const { hub } = this;
    const logger = new SyncLogger(settings.logger, 'SynchroLive');
    this.reads = new LiveReads(dataSource, settings);
    this.watcher = new HeadWatcher(
      this.reads,
      {
        isNeeded: () => hub.size > 0,
        onEntries: (buckets, growth) => hub.wake(buckets, growth),
        onManyEntries: (growth) => hub.wakeAll(growth),
        onDisconnects: (disconnects) => {
          for (const { userId, clientId, id } of disconnects) this.endThose(userId, clientId, id);
        },
      },
      logger,
    );
    const { subscriptionInterval } = this.settings;
    const lastSeq = (): bigint => this.watcher.lastSeq;
    this.upkeep = new Upkeep({
      hub,
      reads: this.reads,
      subscriptions,
      schemas,
      logger,
      subscriptionInterval,
      lastSeq,
    });
    signal.onGrown(() => this.watcher.readSoon());
  }

  /**
   * Connects a device, which hears of every entry from here on. The caller has to begin the connection, or to close it.
   * @throws LiveBusyError when the instance has no place
   * @throws SynchroError `client_not_registered`; `temporarily_unavailable` until a WAL consumer has run
   */
  async open(request: LiveRequest, sink: LiveSink): Promise<OpenedConnection> {
    this.refuseWhenStopped();
    if (this.hub.size + this.opening >= this.settings.maxConnections)
      throw new LiveBusyError('too many live connections');
    this.opening += 1;
    try {
      const buckets = await this.subscriptions.of(request);
      const contract = await this.schemas.current();
      const found = await this.ask(request, buckets);
      // No await from here to its place in the hub: a stop ends the hub's members.
      this.refuseWhenStopped();
      const device = { ...request, id: found.id, disconnect: found.disconnect };
      const known = { checkpoint: found.lastSeq, schemaHash: contract.hash };
      const connection = this.connect(device, known, sink, buckets);
      try {
        // Others have heard of later entries than were read for this device.
        const read = this.watcher.follow(found) ? await this.ask(request, buckets) : found;
        connection.seen = read.lastSeq;
        if (read.hasNews) connection.wake({ checkpoint: read.lastSeq });
        return { connection, checkpoint: read.lastSeq, contract };
      } catch (error) {
        // The caller can't close a connection that it has not got (W-LIVE-12).
        connection.close();
        throw error;
      }
    } finally {
      this.opening -= 1;
    }
  }

  /** Takes over the buckets that a pull has resolved: their entries wake the device from here on. */
  recordSubscriptions(userId: string, clientId: string, buckets: readonly string[]): void {
    for (const connection of this.hub.of(userId, clientId)) {
      const checkpoint = this.watcher.lastSeq > connection.seen ? this.watcher.lastSeq : connection.seen;
      if (this.hub.setBuckets(connection, withOwn(connection.device.id, buckets)))
        connection.wake({ checkpoint });
    }
  }

  /** Whether a poke of this instance has announced entries after the device's checkpoint. */
  hasPoked(userId: string, clientId: string, checkpoint: bigint): boolean {
    return this.hub.of(userId, clientId).some(({ poked }) => poked > checkpoint);
  }

  /** Ends the connections of a user, or of one of their devices, on every instance. */
  async disconnect(userId: string, clientId: string | null): Promise<void> {
    await this.reads.addDisconnect(userId, clientId);
    this.watcher.readSoon();
  }

  get report(): LiveReport {
    return { connections: this.hub.size, pokes: this.pokes, pokeDelay: this.pokeTimes.report };
  }

  /** Ends all connections and refuses new ones: the HTTP server, which closes next, would wait for them. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    const all = this.hub.all();
    for (const connection of all) connection.end('shutdown', all.length);
    await Promise.all([this.watcher.stop(), this.upkeep.stop()]);
  }

  private refuseWhenStopped(): void {
    if (this.isStopped) throw new LiveBusyError('the server is stopping');
  }

  private async ask(
    { userId, clientId, since }: LiveRequest,
    buckets: readonly string[],
  ): Promise<LiveClient & { readonly lastSeq: bigint }> {
    const found = await this.reads.client({ userId, clientId, buckets, since });
    if (!found) throw new SynchroError('client_not_registered', 'client not registered');
    const { lastSeq } = found;
    if (lastSeq === null)
      throw new SynchroError('temporarily_unavailable', 'the WAL consumer has not run yet');
    return { ...found, lastSeq };
  }

  private connect(
    device: ConnectedDevice,
    known: { readonly checkpoint: bigint; readonly schemaHash: string },
    sink: LiveSink,
    buckets: readonly string[],
  ): LiveConnection {
    const connection = new LiveConnection(device, known, sink, this.settings, {
      pokeInterval: (now) => pokeInterval(this.pokeRate.lately(now), this.settings.pokeInterval),
      onClose: (closed) => this.hub.delete(closed),
      onPoke: (delay) => {
        this.pokes += 1;
        this.pokeRate.add(performance.now());
        if (delay !== null) this.pokeTimes.add(delay);
      },
    });
    this.hub.add(connection, withOwn(device.id, buckets));
    this.upkeep.start();
    const own = this.hub.of(device.userId);
    for (const oldest of own.slice(0, Math.max(0, own.length - this.settings.connectionsPerUser)))
      oldest.end('replaced');
    return connection;
  }

  /** Leaves the connections that came after the disconnect: they have passed the guards since. */
  private endThose(userId: string, clientId: string | null, disconnect: bigint): void {
    for (const connection of this.hub.of(userId, clientId))
      if (connection.device.disconnect < disconnect) connection.end('unauthorized');
  }
}

/** Adds the device's own bucket, which has the entries of changed subscriptions. */
function withOwn(clientRowId: string, buckets: readonly string[]): readonly string[] {
  return [...buckets, clientBucket(clientRowId)];
}
