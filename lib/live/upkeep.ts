import { setTimeout as sleep } from 'node:timers/promises';
import { clientBucket } from '../common/canonical-id.js';
import { groupBy } from '../common/collections.js';
import { describeError } from '../common/describe-error.js';
import type { SyncLogger } from '../common/sync-logger.js';
import type { SubscribedBuckets } from '../resolvers/subscribed-buckets.js';
import type { SchemaService } from '../schema/schema.service.js';
import { eachOf } from './each-of.js';
import type { LiveConnection } from './live-connection.js';
import type { LiveHub } from './live-hub.js';
import type { LiveReads } from './live-reads.js';
import { jittered } from './pacing.js';

const TICK_MS = 250;
const SCHEMA_MS = 5_000;
/** Users whose subscriptions are resolved at the same time: a resolver may read the database. */
const AT_A_TIME = 4;
const PATIENCE_MS = 10_000;

export interface UpkeepOptions {
  readonly hub: LiveHub;
  readonly reads: LiveReads;
  readonly subscriptions: SubscribedBuckets;
  readonly schemas: SchemaService;
  readonly logger: SyncLogger;
  /** Milliseconds. */
  readonly subscriptionInterval: number;
  /** The seq up to which every entry has been reported. */
  readonly lastSeq: () => bigint;
}

/** Periodic work for idle connections: heartbeats, ages, subscriptions, the schema. */
export class Upkeep {
  private timer: NodeJS.Timeout | null = null;
  private refreshing: Promise<void> | null = null;
  private checking: Promise<void> | null = null;
  private schemaDue = 0;

  constructor(private readonly options: UpkeepOptions) {}

  /** Runs until there is no connection left. */
  start(): void {
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
  }

  async stop(): Promise<void> {
    this.pause();
    await Promise.all([this.refreshing, this.checking]);
  }

  private pause(): void {
    if (this.timer) clearInterval(this.timer);
    this.timer = null;
  }

  private tick(): void {
    const { hub } = this.options;
    const now = performance.now();
    const connections = hub.all();
    if (connections.length === 0) return this.pause();
    for (const connection of connections) connection.keepUp(now);
    const due = connections.filter(({ isClosed, refreshAt }) => !isClosed && now >= refreshAt);
    if (due.length > 0)
      this.refreshing ??= this.refresh(due).finally(() => {
        this.refreshing = null;
      });
    if (now < this.schemaDue) return;
    this.schemaDue = now + SCHEMA_MS;
    this.checking ??= this.checkSchema().finally(() => {
      this.checking = null;
    });
  }

  /** Resolves again the buckets of devices, and ends those that are no longer registered. */
  private async refresh(due: readonly LiveConnection[]): Promise<void> {
    const { reads, logger, subscriptionInterval } = this.options;
    const now = performance.now();
    for (const connection of due) connection.refreshAt = now + jittered(subscriptionInterval);
    try {
      const registered = await reads.registered(due.map(({ device }) => device.id));
      const stay = due.filter((connection) => this.staysRegistered(connection, registered));
      const users = [...groupBy(stay, ({ device }) => device.userId)];
      await eachOf(users, AT_A_TIME, ([userId, connections]) => this.resubscribe(userId, connections));
    } catch (error) {
      logger.warn('the buckets of connected devices can’t be resolved; they keep those that they had', {
        error: describeError(error),
      });
    }
  }

  private staysRegistered(connection: LiveConnection, registered: ReadonlyMap<string, bigint>): boolean {
    const resyncSeq = registered.get(connection.device.id);
    if (resyncSeq === undefined) connection.end('unauthorized');
    else if (resyncSeq > connection.seen) this.wake(connection);
    return resyncSeq !== undefined;
  }

  /** Resolves one user's buckets: a resolver that fails, or is late, costs other users nothing. */
  private async resubscribe(userId: string, connections: readonly LiveConnection[]): Promise<void> {
    const { hub, logger } = this.options;
    let buckets: readonly string[];
    try {
      buckets = await this.subscriptionsOf(userId);
    } catch (error) {
      logger.warn(
        'the buckets of a connected user can’t be resolved; their devices keep those that they had',
        {
          userId,
          error: describeError(error),
        },
      );
      return;
    }
    for (const connection of connections) {
      const own = [...buckets, clientBucket(connection.device.id)];
      // The device's next pull brings the rows of the change.
      if (hub.setBuckets(connection, own)) this.wake(connection);
    }
  }

  private async subscriptionsOf(userId: string): Promise<readonly string[]> {
    const ended = new AbortController();
    const late = sleep(PATIENCE_MS, null, { signal: ended.signal, ref: false });
    try {
      const buckets = await Promise.race([this.options.subscriptions.of({ userId }), late]);
      if (buckets === null) throw new Error(`the SubscriptionResolver did not answer in ${PATIENCE_MS} ms`);
      return buckets;
    } finally {
      late.catch(() => undefined); // the abort rejects it
      ended.abort();
    }
  }

  private async checkSchema(): Promise<void> {
    const { hub, schemas, logger } = this.options;
    try {
      const schema = await schemas.current();
      for (const connection of hub.all()) connection.sendSchema(schema);
    } catch (error) {
      logger.warn('the schema can’t be read; connected devices hear of a new one later', {
        error: describeError(error),
      });
    }
  }

  private wake(connection: LiveConnection): void {
    const last = this.options.lastSeq();
    connection.wake({ checkpoint: last > connection.seen ? last : connection.seen });
  }
}
