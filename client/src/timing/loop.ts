import { SyncError } from '../sync-error.js';
import { retryAfter, type Trouble } from './backoff.js';

/** Receives the failure of a run, or null after a success. */
export type LoopListener = (trouble: { readonly trouble: Trouble; readonly error: unknown } | null) => void;

/** Repeats one kind of work: after a pause, at once when woken, and with growing pauses while it fails. */
export class Loop {
  private isStopped = false;
  private failures = 0;
  private runs = 0;
  private isWoken = false;
  private wakeUp: (() => void) | null = null;
  private readonly fresh = new Set<{ readonly run: number; readonly resolve: () => void }>();
  private done: Promise<void> = Promise.resolve();

  /** @param work Resolves with the milliseconds until it is due again; undefined: when it is woken. */
  constructor(
    private readonly work: () => Promise<number | undefined>,
    private readonly listener: LoopListener,
  ) {}

  start(): void {
    this.done = this.run();
  }

  /** Resolves when the work under way has ended. */
  stop(): Promise<void> {
    this.isStopped = true;
    this.wake();
    return this.done;
  }

  /** Works again now, or as soon as the last failure allows. */
  wake(): void {
    this.isWoken = true;
    this.wakeUp?.();
  }

  /** Resolves when a run that begins after this call has succeeded. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.fresh.add({ run: this.runs + 1, resolve });
      this.wake();
    });
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      this.isWoken = false;
      this.runs += 1;
      try {
        const pause = await this.work();
        this.failures = 0;
        this.listener(null);
        this.resolveFresh();
        await this.sleep(pause, 0);
      } catch (error) {
        if (this.isStopped || (error instanceof SyncError && ENDS.has(error.code))) return;
        const { trouble, delay, earliest } = retryAfter(error, this.failures, Math.random());
        this.failures += 1;
        this.listener({ trouble, error });
        await this.sleep(delay, earliest);
      }
    }
  }

  private resolveFresh(): void {
    for (const waiter of this.fresh) {
      if (waiter.run > this.runs) continue;
      this.fresh.delete(waiter);
      waiter.resolve();
    }
  }

  /** Times are those of a clock that never jumps. */
  private sleep(pause: number | undefined, earliest: number): Promise<void> {
    const began = performance.now();
    return new Promise((resolve) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const end = (): void => {
        clearTimeout(timer);
        this.wakeUp = null;
        resolve();
      };
      const endIn = (milliseconds: number): void => {
        clearTimeout(timer);
        timer = setTimeout(end, Math.max(0, milliseconds));
      };
      if (pause !== undefined) endIn(pause);
      this.wakeUp = () => {
        const left = earliest - (performance.now() - began);
        if (this.isStopped || left <= 0) end();
        else endIn(left);
      };
      if (this.isWoken || this.isStopped) this.wakeUp();
    });
  }
}

/** Another tab leads, or the app has closed this client. */
const ENDS: ReadonlySet<string> = new Set(['stale_leader', 'closed']);
