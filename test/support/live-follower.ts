import type { Device } from './device.js';
import { LiveStream } from './live-stream.js';

/** A device that pulls with each poke, and checks that each poke's data is there by then. */
export class LiveFollower {
  /** The time at which each row of `tasks` arrived first, by `performance.now()`. */
  readonly arrived = new Map<string, number>();
  /** Pulls that fell short of the poke before them. */
  readonly tooEarly: string[] = [];
  pokes = 0;
  private isPulling = false;
  private asked = 0;
  private isClosed = false;
  private stream: LiveStream | null = null;
  private timer: NodeJS.Timeout | null = null;

  /** @param urls of the instances that it connects to, the next one whenever a stream has ended */
  constructor(
    private readonly device: Device,
    private readonly urls: readonly string[] = [device.url],
  ) {}

  /** Connects, and connects again until it is closed. */
  async start(attempt = 0): Promise<void> {
    if (this.isClosed) return;
    try {
      const url = this.urls[attempt % this.urls.length] ?? this.device.url;
      this.device.url = url;
      this.stream = await LiveStream.open(this.device, { since: this.device.checkpoint, url });
      this.stream.onEvent = ({ event, data }) => {
        if (event === 'poke') this.pull(Number(data['checkpoint']));
      };
      this.stream.response.once('close', () => this.again(attempt));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      this.again(attempt);
    }
  }

  close(): void {
    this.isClosed = true;
    if (this.timer) clearTimeout(this.timer);
    this.stream?.close();
  }

  private again(attempt: number): void {
    if (!this.isClosed) this.timer = setTimeout(() => void this.start(attempt + 1), 50);
  }

  private pull(checkpoint: number): void {
    this.pokes += 1;
    this.asked = Math.max(this.asked, checkpoint);
    if (!this.isPulling) void this.pullAll();
  }

  private async pullAll(): Promise<void> {
    this.isPulling = true;
    try {
      do {
        const { asked } = this;
        for (const { changes } of await this.device.pull())
          for (const { id } of changes) if (!this.arrived.has(id)) this.arrived.set(id, performance.now());
        if (this.device.checkpoint < asked) this.tooEarly.push(`${this.device.checkpoint} < ${asked}`);
      } while (this.asked > this.device.checkpoint && this.tooEarly.length === 0);
    } catch {
      // The server was away: the next stream begins at the device's checkpoint.
      this.asked = 0;
    } finally {
      this.isPulling = false;
    }
  }
}
