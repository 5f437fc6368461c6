import type { EndReason, LiveSink, SchemaIds } from './live-sink.js';
import { jittered, pokeDue, retryAfter } from './pacing.js';

/** The most bytes that a device may leave unread before its connection ends. */
const MOST_UNSENT = 64 * 1024;

/** Milliseconds. */
export interface ConnectionTimes {
  readonly heartbeat: number;
  readonly maxAge: number;
  readonly subscriptionInterval: number;
}

export interface ConnectionOwner {
  /** The least milliseconds between two pokes, as of now. */
  pokeInterval(now: number): number;
  /** Called once, whichever side has ended it. */
  onClose(connection: LiveConnection): void;
  /** @param delay milliseconds from the commit of the newest change; null where there is no such change */
  onPoke(delay: number | null): void;
}

/** The device of a connection. */
export interface ConnectedDevice {
  readonly userId: string;
  readonly clientId: string;
  /** Primary key of the device's row. */
  readonly id: string;
  /** The last of `sync_disconnects` when it connected. */
  readonly disconnect: bigint;
}

/** The reason to wake a connection. */
export interface Waking {
  /** High-water mark of the log. */
  readonly checkpoint: bigint;
  /** Milliseconds to wait for its turn. Default: 0. */
  readonly delay?: number;
  /** When the newest change was committed, by `performance.now()`. Default: unknown. */
  readonly committedAt?: number;
}

/** One device that is connected. Times are those of `performance.now()`. */
export class LiveConnection {
  /** The seq up to which the device has heard of all its entries. */
  seen: bigint;
  /** The checkpoint of its last poke. */
  poked = 0n;
  refreshAt: number;
  private schemaHash: string;
  private heartbeatAt = Infinity;
  private endsAt = Infinity;
  private pokedAt = -Infinity;
  private pending: { checkpoint: bigint; due: number; committedAt: number | null } | null = null;
  private timer: NodeJS.Timeout | null = null;
  private state: 'opening' | 'open' | 'closed' = 'opening';

  /** @param known the seq up to which it need not be woken, and the schema that it has */
  constructor(
    readonly device: ConnectedDevice,
    known: { readonly checkpoint: bigint; readonly schemaHash: string },
    private readonly sink: LiveSink,
    private readonly times: ConnectionTimes,
    private readonly owner: ConnectionOwner,
  ) {
    this.seen = known.checkpoint;
    this.schemaHash = known.schemaHash;
    this.refreshAt = performance.now() + jittered(times.subscriptionInterval);
  }

  get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** Begins to send, once the device has its greeting: first the poke that came meanwhile, if any. */
  begin(): void {
    if (this.state !== 'opening') return;
    this.state = 'open';
    const now = performance.now();
    this.heartbeatAt = now + jittered(this.times.heartbeat);
    this.endsAt = now + jittered(this.times.maxAge);
    if (this.pending) this.schedule(this.pending.due, now);
  }

  /** Pokes the device as soon as its interval allows. One poke at most is pending; it carries the newest checkpoint. */
  wake({ checkpoint, delay = 0, committedAt }: Waking): void {
    if (this.isClosed || checkpoint < this.seen) return;
    const now = performance.now();
    const due = pokeDue({ now, last: this.pokedAt, delay, interval: this.owner.pokeInterval(now) });
    const { pending } = this;
    this.pending = {
      checkpoint,
      due: Math.min(due, pending?.due ?? Infinity),
      committedAt: pending?.committedAt ?? committedAt ?? null,
    };
    if (this.state === 'open' && (pending === null || due < pending.due)) this.schedule(due, now);
  }

  /** Does nothing when the device has it. */
  sendSchema({ version, hash }: SchemaIds): void {
    if (this.state !== 'open' || hash === this.schemaHash) return;
    this.schemaHash = hash;
    this.write(() => this.sink.schema({ version, hash }));
  }

  /** Sends a heartbeat and ends the connection when these are due; its owner calls it often. */
  keepUp(now: number): void {
    if (now >= this.endsAt) this.end('max_age');
    if (now < this.heartbeatAt) return;
    this.heartbeatAt = now + jittered(this.times.heartbeat);
    if (this.state === 'open') this.write(() => this.sink.heartbeat());
  }

  /** @param together the number of connections that are ended at the same time */
  end(reason: EndReason, together = 1): void {
    if (this.isClosed) return;
    this.close();
    this.sink.end(reason, retryAfter(reason, together));
  }

  /** Frees what it holds: the device has gone, or gets its end. */
  close(): void {
    if (this.isClosed) return;
    this.state = 'closed';
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.pending = null;
    this.owner.onClose(this);
  }

  private schedule(due: number, now: number): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    if (due <= now) this.poke();
    else this.timer = setTimeout(() => this.poke(), due - now);
  }

  private poke(): void {
    const { pending } = this;
    this.timer = null;
    if (!pending) return;
    this.pending = null;
    this.pokedAt = performance.now();
    this.seen = pending.checkpoint;
    this.poked = pending.checkpoint;
    const { committedAt } = pending;
    this.owner.onPoke(committedAt === null ? null : this.pokedAt - committedAt);
    this.write(() => this.sink.poke(pending.checkpoint));
  }

  private write(write: () => void): void {
    write();
    if (this.sink.unsent > MOST_UNSENT) this.end('too_slow');
  }
}
