import { clientBucket } from '../common/canonical-id.js';
import { describeError } from '../common/describe-error.js';
import type { SyncLogger } from '../common/sync-logger.js';
import type { LogHead } from '../store/changelog/log-head.js';
import type { Disconnect } from '../store/clients/disconnects.js';
import type { LogGrowth } from './live-hub.js';
import type { LiveReads } from './live-reads.js';
import { nextReadIn } from './pacing.js';

/** Above this number of new entries, the watcher wakes every device: to find out whose they are takes longer. */
const MANY_ENTRIES = 50_000n;

/** The position up to which the log has been read. */
export interface ReadPosition {
  /** High-water mark of the log. */
  readonly lastSeq: bigint;
  /** The last of `sync_disconnects`. */
  readonly disconnect: bigint;
}

export interface WatcherEvents {
  /** Whether any device is connected; the watcher reads nothing otherwise. */
  isNeeded(): boolean;
  /** @param buckets each with the seq of its last entry */
  onEntries(buckets: ReadonlyMap<string, bigint>, growth: LogGrowth): void;
  /** The log has new entries, and the watcher does not know in which buckets. */
  onManyEntries(growth: LogGrowth): void;
  onDisconnects(disconnects: readonly Disconnect[]): void;
}

/**
 * Reads the log's head, wherever the WAL consumer runs, and reports new entries. It reports each entry at least once,
 * and none before a pull can read it: it reports only what it has read from the database.
 */
export class HeadWatcher {
  private position: ReadPosition = { lastSeq: 0n, disconnect: 0n };
  private running: Promise<void> = Promise.resolve();
  private isRunning = false;
  private isStopped = false;
  private isDue = false;
  private wakeUp: () => void = () => undefined;
  private isFailing = false;

  constructor(
    private readonly reads: LiveReads,
    private readonly events: WatcherEvents,
    private readonly logger: SyncLogger,
  ) {}

  /** The seq up to which every entry has been reported. */
  get lastSeq(): bigint {
    return this.position.lastSeq;
  }

  /**
   * Begins where a device that has just connected has read the log.
   * @returns whether later entries were reported already, so that the caller has to read once more
   */
  follow(read: ReadPosition): boolean {
    if (this.isStopped) return false;
    if (this.isRunning) return this.position.lastSeq > read.lastSeq;
    this.position = read;
    this.running = this.run();
    return false;
  }

  /** Reads the head as soon as the pause between two reads allows. */
  readSoon(): void {
    this.isDue = true;
    this.wakeUp();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.wakeUp();
    await this.running;
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    while (!this.isStopped && this.events.isNeeded()) {
      this.isDue = false;
      try {
        await this.check();
        this.isFailing = false;
      } catch (error) {
        this.report(error);
      }
      await this.pause();
    }
    // No await since `isNeeded`: the next device that connects starts it again.
    this.isRunning = false;
  }

  private async check(): Promise<void> {
    const { reads, events, position } = this;
    const head = await reads.head(position.lastSeq, MANY_ENTRIES);
    if (head === null) return;
    const growth = { checkpoint: head.lastSeq, committedAt: performance.now() - head.age };
    if (head.disconnect > position.disconnect)
      events.onDisconnects(await reads.disconnects(position.disconnect));
    if (head.lastSeq !== position.lastSeq) {
      const buckets = await this.newBuckets(position.lastSeq, head);
      if (buckets) events.onEntries(buckets, growth);
      else events.onManyEntries(growth);
    }
    this.position = head;
  }

  /** @returns null when the log does not say, or when there are too many entries */
  private async newBuckets(
    from: bigint,
    { lastSeq: to, floorSeq, entries: { buckets, count } }: LogHead,
  ): Promise<ReadonlyMap<string, bigint> | null> {
    // Another log has taken this one's place, or a compaction has removed entries meanwhile.
    if (to < from || floorSeq > from || to - from > MANY_ENTRIES) return null;
    if (count === to - from) return buckets;
    const resynced = await this.reads.resynced(from, to);
    return new Map([...buckets, ...resynced.map((id) => [clientBucket(id), to] as const)]);
  }

  private async pause(): Promise<void> {
    const began = performance.now();
    for (;;) {
      const left = this.isStopped ? 0 : began + nextReadIn(this.isDue) - performance.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  private report(error: unknown): void {
    if (this.isFailing) return;
    this.isFailing = true;
    this.logger.warn('the log can’t be read, so no device is woken until it can', {
      error: describeError(error),
    });
  }
}
