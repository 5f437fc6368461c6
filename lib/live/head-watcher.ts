import { clientBucket } from '../common/canonical-id.js';
import { describeError } from '../common/describe-error.js';
import type { SyncLogger } from '../common/sync-logger.js';
import type { LogHead } from '../store/changelog/log-head.js';
import type { Disconnect } from '../store/clients/disconnects.js';
import type { LogGrowth } from './live-hub.js';
import type { LiveReads } from './live-reads.js';
import { nextLook } from './pacing.js';

/** Above so many new entries all are woken: to find out who has any takes longer. */
const MANY_ENTRIES = 50_000n;

/** The position up to which the log has been read. */
export interface Looked {
  /** High-water mark of the log. */
  readonly lastSeq: bigint;
  /** The last of `sync_disconnects`. */
  readonly disconnect: bigint;
}

export interface WatcherEvents {
  /** Whether anybody is to be woken: nothing is looked at otherwise. */
  isNeeded(): boolean;
  /** @param buckets each with the seq of its last entry */
  onEntries(buckets: ReadonlyMap<string, bigint>, growth: LogGrowth): void;
  /** Which buckets have entries is not known. */
  onManyEntries(growth: LogGrowth): void;
  onDisconnects(disconnects: readonly Disconnect[]): void;
}

/**
 * Looks at the log's head, wherever the WAL consumer runs, and says what has come. An entry that can be pulled is said
 * once or more, and none is before it can be: only what was read is said.
 */
export class HeadWatcher {
  private looked: Looked = { lastSeq: 0n, disconnect: 0n };
  private running: Promise<void> = Promise.resolve();
  private isRunning = false;
  private isStopped = false;
  private isTold = false;
  private wakeUp: () => void = () => undefined;
  private isFailing = false;

  constructor(
    private readonly reads: LiveReads,
    private readonly events: WatcherEvents,
    private readonly logger: SyncLogger,
  ) {}

  /** Up to where in the log all has been said. */
  get lastSeq(): bigint {
    return this.looked.lastSeq;
  }

  /**
   * Goes on from what somebody has read who is to be woken from now on.
   * @returns whether more has been said than that, so that it has to be read once more
   */
  follow(read: Looked): boolean {
    if (this.isStopped) return false;
    if (this.isRunning) return this.looked.lastSeq > read.lastSeq;
    this.looked = read;
    this.running = this.run();
    return false;
  }

  /** Looks at once, or as soon as it may. */
  tell(): void {
    this.isTold = true;
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
      this.isTold = false;
      try {
        await this.check();
        this.isFailing = false;
      } catch (error) {
        this.report(error);
      }
      await this.pause();
    }
    // In one piece with the last look at who is there: who comes next starts it again.
    this.isRunning = false;
  }

  private async check(): Promise<void> {
    const { reads, events, looked } = this;
    const head = await reads.head();
    if (head === null) return;
    const growth = { checkpoint: head.lastSeq, committedAt: performance.now() - head.age };
    if (head.disconnect > looked.disconnect) events.onDisconnects(await reads.disconnects(looked.disconnect));
    if (head.lastSeq !== looked.lastSeq) {
      const buckets = await this.newBuckets(looked.lastSeq, head);
      if (buckets) events.onEntries(buckets, growth);
      else events.onManyEntries(growth);
    }
    this.looked = head;
  }

  /** @returns null when they can't be told, or are too many */
  private async newBuckets(
    from: bigint,
    { lastSeq: to, floorSeq }: LogHead,
  ): Promise<ReadonlyMap<string, bigint> | null> {
    // The log may be another one, or may have been compacted meanwhile.
    if (to < from || floorSeq > from || to - from > MANY_ENTRIES) return null;
    const { buckets, count } = await this.reads.newEntries(from, to);
    if (count === to - from) return buckets;
    const resynced = await this.reads.resynced(from, to);
    return new Map([...buckets, ...resynced.map((id) => [clientBucket(id), to] as const)]);
  }

  private async pause(): Promise<void> {
    const began = performance.now();
    for (;;) {
      const left = this.isStopped ? 0 : began + nextLook(this.isTold) - performance.now();
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
    this.logger.warn('the log can’t be looked at, so no device is told of changes until it can', {
      error: describeError(error),
    });
  }
}
