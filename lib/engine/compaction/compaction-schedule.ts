import { Inject, Injectable } from '@nestjs/common';
import { describeError, stackOf } from '../../common/describe-error.js';
import { SyncLogger } from '../../common/sync-logger.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import type { SynchroSettings } from '../../settings/synchro.settings.js';
import { Compactor } from './compactor.js';
import { SyncEngine } from '../sync-engine.js';

/** The first run comes no later than this, or an app that is restarted often would never compact. */
const FIRST_RUN_MS = 10 * 60_000;

/** Runs compaction in the background, where `compaction.interval` is given. */
@Injectable()
export class CompactionSchedule {
  private readonly logger: SyncLogger;
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | null = null;
  private stopped = false;

  constructor(
    @Inject(SYNCHRO_OPTIONS) private readonly options: Pick<SynchroSettings, 'compaction' | 'logger'>,
    private readonly engine: SyncEngine,
    private readonly compactor: Compactor,
  ) {
    this.logger = new SyncLogger(options.logger, 'SynchroCompactor');
  }

  /** Does nothing without an interval. */
  start(): void {
    const interval = this.options.compaction?.interval ?? null;
    if (interval !== null && !this.stopped) this.schedule(firstDelay(interval), interval);
  }

  /** No run begins after this. One that is under way, also by hand, ends after the batch at hand. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.compactor.stop();
    await this.running;
  }

  private schedule(delay: number, interval: number): void {
    const tick = async (): Promise<void> => {
      this.running = this.run();
      await this.running;
      if (!this.stopped) this.schedule(interval, interval);
    };
    this.timer = setTimeout(() => void tick(), delay).unref();
  }

  /** Another instance's run counts as this one's, and a failed run is repeated after the interval. */
  private async run(): Promise<void> {
    try {
      await this.engine.runCompaction({ wait: false });
    } catch (error) {
      if (this.stopped) return;
      this.logger.error('compaction failed', { error: describeError(error), stack: stackOf(error) });
    }
  }
}

/**
 * Milliseconds until the first run: half to all of the interval, by chance, so that instances that start together
 * don't come together.
 */
export function firstDelay(interval: number, random: () => number = Math.random): number {
  return Math.min(interval, FIRST_RUN_MS) * (1 - random() / 2);
}
