import type { Duplex } from 'node:stream';
import type { Client, ClientConfig } from 'pg';
import { LogicalReplicationService } from 'pg-logical-replication';
import { SynchroError } from '../../common/errors.js';
import { formatLsn, type Lsn } from '../../common/lsn.js';
import { isDataError } from '../../database/database-error.js';
import { socketOf } from '../../database/pg-internals.js';
import { undecodable } from '../slot/undecodable-wal.js';
import { ArrivalPacing, PAUSE_MS } from './arrival-pacing.js';
import { disconnect } from './disconnect.js';
import { PgoutputDecoder, type ColumnChoice, type PaddedColumns, type WalMessage } from './pgoutput.js';
import { TextPlugin } from './text-plugin.js';

/** All WAL up to here has been sent; with `mustAnswer` the server waits for a status (it is shutting down). */
export interface KeepaliveMessage {
  readonly tag: 'keepalive';
  readonly lsn: Lsn;
  readonly mustAnswer: boolean;
}

export type StreamMessage = WalMessage | KeepaliveMessage;

export interface StreamOptions {
  readonly connection: ClientConfig;
  readonly slotName: string;
  readonly publicationName: string;
  /** The stored position: the server skips what was committed before it. */
  readonly start: Lsn;
  readonly columns: ColumnChoice;
  /** Default: none beside what the stream itself calls `char(n)`. */
  readonly padded?: PaddedColumns;
  /** Milliseconds; 0 turns the watchdog off. */
  readonly walSenderTimeout: number;
  /** Told when the server, or the network, has not been heard of for too long: the stream has ended. */
  readonly onSilence: (error: Error) => void;
}

/**
 * The queue is bounded by both: messages for row-sized work (three for a row alone in its transaction), bytes for wide
 * rows.
 */
const MAX_QUEUED_MESSAGES = 3_000;
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/**
 * The replication connection as a queue: messages are decoded as they arrive, and taken when the consumer is
 * ready. Reading pauses while the queue is full; statuses go out all the same, so that the server keeps the
 * connection. This is the only file that knows pg-logical-replication, whose version is pinned because reading and
 * pausing need its private connection.
 */
export class ReplicationStream {
  private readonly service: LogicalReplicationService;
  private readonly decoder: PgoutputDecoder;
  private queue: StreamMessage[] = [];
  private queuedBytes = 0;
  private readonly pacing = new ArrivalPacing();
  private paused = false;
  private failure: Error | null = null;
  private waiting: (() => void) | null = null;
  private acknowledged: Lsn;
  /** By a clock that never jumps, as {@link beat} reads it. */
  private lastHeard = performance.now();
  private timer: NodeJS.Timeout | undefined;
  private hasStarted = false;

  /**
   * Connects and takes the slot.
   * @throws the server's error: 55006 when another instance holds the slot, 42704 when it is missing, 55000 when
   *   it was invalidated
   */
  static async open(options: StreamOptions): Promise<ReplicationStream> {
    const stream = new ReplicationStream(options);
    try {
      await stream.subscribe();
    } catch (error) {
      // A broken connection only says that it can't be used: the first error says why it broke.
      const first = stream.failure ?? error;
      await stream.close();
      throw first;
    }
    return stream;
  }

  private constructor(private readonly options: StreamOptions) {
    this.acknowledged = options.start;
    this.decoder = new PgoutputDecoder(options.columns, options.padded);
    // Automatic acknowledging is off in both forms: it would confirm what is received, not what is durable.
    this.service = new LogicalReplicationService(
      { ...options.connection, query_timeout: 0 },
      { acknowledge: { auto: false, timeoutSeconds: 0 } },
    );
    this.service.on('error', (error: Error) => this.fail(error));
  }

  /**
   * Everything that has arrived, waiting for something if there is nothing; empty after {@link wake}.
   * @throws what ended the stream
   */
  async take(): Promise<readonly StreamMessage[]> {
    if (this.queue.length === 0 && !this.failure) {
      await new Promise<void>((resolve) => (this.waiting = resolve));
    }
    if (this.queue.length === 0 && this.failure) throw this.failure;
    const messages = this.queue;
    this.queue = [];
    this.queuedBytes = 0;
    this.updateFlow();
    return messages;
  }

  /** Resolves when something arrives, or after {@link wake}. */
  arrival(): Promise<void> {
    if (this.queue.length > 0 || this.failure) return Promise.resolve();
    return new Promise<void>((resolve) => (this.waiting = resolve));
  }

  /** Whether more has arrived since the last {@link take}. */
  get pending(): boolean {
    return this.queue.length > 0;
  }

  /** Lets a waiting {@link take} return. */
  wake(): void {
    this.waiting?.();
    this.waiting = null;
  }

  /** Tells the server that everything before `lsn` is durable here. */
  acknowledge(lsn: Lsn): void {
    if (lsn > this.acknowledged) this.acknowledged = lsn;
    this.sendStatus();
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    this.fail(new SynchroError('temporarily_unavailable', 'the replication stream was closed'));
    await disconnect(
      () => this.service.destroy(),
      () => this.socket()?.destroy(),
    );
  }

  private async subscribe(): Promise<void> {
    const plugin = new TextPlugin(this.options.publicationName, (copied) => this.receive(copied));
    const started = new Promise<void>((resolve) => this.service.once('start', resolve));
    const ended = this.service
      .subscribe(plugin, this.options.slotName, formatLsn(this.options.start))
      .then(() => {
        throw new SynchroError('temporarily_unavailable', 'the server closed the replication stream');
      });
    ended.catch((error: Error) => this.fail(error));
    // PLR listens to its client only once that is connected: an error that came in one piece with the end of the handshake
    // would end the process. The client is there by then, and has not read anything yet.
    setImmediate(() => this.client()?.on('error', (error: Error) => this.fail(error)));
    const { walSenderTimeout } = this.options;
    const interval = walSenderTimeout > 0 ? Math.min(10_000, walSenderTimeout / 3) : 10_000;
    this.timer = setInterval(() => this.beat(), interval);
    await Promise.race([started, ended]);
    this.hasStarted = true;
  }

  private beat(): void {
    if (this.hasStarted) this.sendStatus();
    const silence = Math.round(performance.now() - this.lastHeard);
    const { walSenderTimeout } = this.options;
    if (walSenderTimeout > 0 && !this.paused && silence > 2 * walSenderTimeout) {
      const what = `the replication stream was silent for ${silence} ms`;
      const error = new SynchroError('temporarily_unavailable', what);
      this.fail(error);
      this.socket()?.destroy(error);
      this.options.onSilence(error);
    }
  }

  /**
   * PLR 2.5 sends the position plus one; the server would then skip a transaction whose commit record starts
   * exactly at our position. Hence the minus one, here and nowhere else (docs/internals/replication.md, finding 1).
   */
  private sendStatus(): void {
    this.service.acknowledge(formatLsn(this.acknowledged - 1n)).catch((error: Error) => this.fail(error));
  }

  /** Nothing may be thrown from here: it would be an uncaught exception of the socket's. */
  private receive(copied: Buffer): void {
    try {
      const message = this.read(copied);
      if (message && !this.failure) {
        this.queue.push(message);
        this.queuedBytes += copied.length;
        this.wake();
      }
      if (message?.tag === 'keepalive' && message.mustAnswer) this.sendStatus();
    } catch (error) {
      this.fail(error as Error);
    }
    if (this.pacing.add(copied.length)) {
      this.lastHeard = performance.now();
      setImmediate(() => this.endTick());
    }
    this.updateFlow();
  }

  /** PostgreSQL manual, "Streaming Replication Protocol": XLogData, and the primary's keepalive message. */
  private read(copied: Buffer): StreamMessage | null {
    const [kind] = copied;
    if (kind === 0x77) return this.decoder.decode(copied, WAL_HEADER_BYTES);
    if (kind === 0x6b)
      return { tag: 'keepalive', lsn: copied.readBigUInt64BE(1), mustAnswer: copied[17] === 1 };
    throw new SynchroError('decode_failed', `the replication stream sent an unknown message of kind ${kind}`);
  }

  private endTick(): void {
    if (!this.pacing.endTick(this.lastHeard) || this.paused) return;
    this.socket()?.pause();
    setTimeout(() => {
      if (!this.paused) this.socket()?.resume();
    }, PAUSE_MS);
  }

  private updateFlow(): void {
    const full = this.queue.length >= MAX_QUEUED_MESSAGES || this.queuedBytes >= MAX_QUEUED_BYTES;
    if (full === this.paused) return;
    this.paused = full;
    this.lastHeard = performance.now();
    if (full) this.socket()?.pause();
    else this.socket()?.resume();
  }

  private fail(error: Error): void {
    this.failure ??= this.hasStarted && isDataError(error) ? undecodable(error) : error;
    this.wake();
  }

  private socket(): Duplex | undefined {
    const client = this.client();
    return client ? socketOf(client) : undefined;
  }

  /** PLR has it from the first attempt to connect on. */
  private client(): Client | null {
    const { _client: client } = this.service as unknown as { readonly _client: Client | null };
    return client;
  }
}

/** Bytes before the plugin's message: the kind, two positions and a time. */
const WAL_HEADER_BYTES = 1 + 8 + 8 + 8;
