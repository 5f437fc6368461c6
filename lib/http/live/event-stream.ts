import type { ServerResponse } from 'node:http';
import type { EndReason, LiveSink, SchemaIds } from '../../live/live-sink.js';

/** The time that a device has to read the last message, before its connection is cut. */
const LAST_MESSAGE_MS = 1_000;

/** `no-transform` also keeps compression middleware from holding lines back. */
const HEADERS = {
  'Content-Type': 'text/event-stream',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
} as const;

/** Sends a stream of server-sent events (docs/protocol.md#the-stream). */
export class EventStream implements LiveSink {
  constructor(private readonly raw: ServerResponse) {}

  get unsent(): number {
    return this.raw.writableLength;
  }

  /** Sends the head of the answer and the first message. */
  greet(checkpoint: bigint, heartbeat: number, schema: SchemaIds): void {
    const { raw } = this;
    for (const [name, value] of Object.entries(HEADERS)) raw.setHeader(name, value);
    // A server that closes waits for connections that are kept alive: 72 s on Fastify.
    raw.shouldKeepAlive = false;
    raw.writeHead(200);
    this.send('hello', `{"checkpoint":${checkpoint},"heartbeat_ms":${heartbeat},${schemaMembers(schema)}}`);
  }

  poke(checkpoint: bigint): void {
    this.send('poke', `{"checkpoint":${checkpoint}}`, checkpoint);
  }

  schema(schema: SchemaIds): void {
    this.send('schema', `{${schemaMembers(schema)}}`);
  }

  heartbeat(): void {
    this.raw.write(':\n\n');
  }

  end(reason: EndReason, retryMs: number): void {
    const { raw } = this;
    // A device without a greeting gets an answer with another status.
    if (raw.closed || !raw.headersSent) return;
    this.send('bye', `{"retry_ms":${retryMs},"reason":"${reason}"}`);
    raw.end();
    const cut = setTimeout(() => raw.destroy(), LAST_MESSAGE_MS);
    raw.once('close', () => clearTimeout(cut));
  }

  private send(event: string, data: string, id?: bigint): void {
    this.raw.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`);
  }
}

function schemaMembers({ version, hash }: SchemaIds): string {
  return `"schema_version":${version},"schema_hash":${JSON.stringify(hash)}`;
}
