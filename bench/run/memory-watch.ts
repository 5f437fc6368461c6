import { memoryOf } from './usage.js';

/** Looked at so often. */
const EVERY_MS = 100;

/** What memory a process has, from now until `stop`. */
export class MemoryWatch {
  private readonly samples: number[];
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly pid: number) {
    this.samples = [memoryOf(pid)];
    this.timer = setInterval(() => this.look(), EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** MB; most of all, and the most of each fifth of the time. */
  describe(): string {
    const fifths = this.fifths().map((megabytes) => megabytes.toFixed(0));
    return `at most ${Math.max(...this.samples).toFixed(0)} MB; fifth by fifth of the time ${fifths.join(', ')} MB`;
  }

  /** How the most of the time so far compares to the start, MB. */
  growth(): number {
    return Math.max(...this.samples) - (this.samples[0] ?? 0);
  }

  /** The most of each fifth of the time. */
  fifths(): readonly number[] {
    const size = this.samples.length / 5;
    return [0, 1, 2, 3, 4].map((n) =>
      Math.max(...this.samples.slice(Math.floor(n * size), Math.max(1, Math.ceil((n + 1) * size)))),
    );
  }

  private look(): void {
    const megabytes = memoryOf(this.pid);
    // An app that has ended has none.
    if (megabytes > 0) this.samples.push(megabytes);
  }
}
