import type { ServerResponse } from 'node:http';
import type { EndReason, LiveSink } from '../../live/live-sink.js';

/** Answers once, when there is something to pull (docs/protocol.md#the-long-poll). */
export class LongPoll implements LiveSink {
  readonly unsent = 0;
  private checkpoint = 0n;
  /** Kept here, as middleware that compresses ends the response later. */
  private isAnswered = false;

  constructor(private readonly raw: ServerResponse) {}

  /**
   * @param checkpoint high-water mark of the log
   * @param wait milliseconds after which the answer is 204
   */
  wait(checkpoint: bigint, wait: number): void {
    const { raw } = this;
    this.checkpoint = checkpoint;
    const timer = setTimeout(() => this.answer(204), wait);
    raw.once('close', () => clearTimeout(timer));
  }

  poke(checkpoint: bigint): void {
    this.answer(200, `{"checkpoint":${checkpoint}}`);
  }

  /** Answers as a poke does: the device's next pull brings the new schema. */
  schema(): void {
    this.poke(this.checkpoint);
  }

  heartbeat(): void {
    // A single answer has none.
  }

  end(reason: EndReason, retryMs: number): void {
    this.raw.shouldKeepAlive = reason !== 'shutdown';
    if (reason === 'unauthorized') return this.answer(401, '{"error":"the connection was ended"}');
    const seconds = Math.max(1, Math.round(retryMs / 1_000));
    const body = `{"error":"service temporarily unavailable","retry_after":${seconds}}`;
    this.answer(503, body, { 'Retry-After': String(seconds) });
  }

  private answer(status: number, body?: string, headers: Readonly<Record<string, string>> = {}): void {
    const { raw } = this;
    if (this.isAnswered || raw.closed) return;
    this.isAnswered = true;
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    raw.writeHead(status, { 'Cache-Control': 'no-store', ...type, ...headers });
    raw.end(body === undefined ? undefined : `${body}\n`);
  }
}
