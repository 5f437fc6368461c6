import type { EndReason, LiveSink, SchemaIds } from './live-sink.js';
import { jittered, pokeDue, retryAfter } from './pacing.js';

/** A device that reads nothing is ended before it costs more than this, in bytes. */
const MOST_UNSENT = 64 * 1024;

/** Milliseconds. */
export interface ConnectionTimes {
  readonly heartbeat: number;
  readonly maxAge: number;
  readonly pokeInterval: number;
  readonly subscriptionInterval: number;
}

export interface ConnectionOwner {
  /** Told once, whoever has ended it. */
  onClose(connection: LiveConnection): void;
  /** @param delay milliseconds from the commit of the newest change; null where there is no such change */
  onPoke(delay: number | null): void;
}

/** Whose connection it is. */
export interface ConnectedDevice {
  readonly userId: string;
  readonly clientId: string;
  /** Primary key of the device's row. */
  readonly id: string;
  /** The last of `sync_disconnects` when it came. */
  readonly disconnect: bigint;
}

/** The reason to wake a connection. */
export interface Waking {
  /** High-water mark of the log. */
  readonly checkpoint: bigint;
  /** Milliseconds to wait for its turn. Default: 0. */
  readonly delay?: number;
  /** When the newest change was committed, by `performance.now()`. Default: nothing of that is known. */
  readonly committedAt?: number;
}

/** One device that is connected. Times are those of `performance.now()`. */
export class LiveConnection {
  /** Up to where in the log it was told of all that concerns it. */
  seen: bigint;
  refreshAt: number;
  private schemaHash: string;
  private heartbeatAt = Infinity;
  private endsAt = Infinity;
  private pokedAt = -Infinity;
  private pending: { checkpoint: bigint; due: number; committedAt: number | null } | null = null;
  private timer: NodeJS.Timeout | null = null;
  private state: 'opening' | 'open' | 'closed' = 'opening';

  /** @param known up to where in the log it needs not be woken, and the schema that it need not be told */
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

  /** Lets it be told things: the device has been greeted. What has woken it meanwhile is told first. */
  begin(): void {
    if (this.state !== 'opening') return;
    this.state = 'open';
    const now = performance.now();
    this.heartbeatAt = now + jittered(this.times.heartbeat);
    this.endsAt = now + jittered(this.times.maxAge);
    if (this.pending) this.schedule(this.pending.due, now);
  }

  /** Pokes the device as soon as it may be. One poke at most is outstanding: it says the newest checkpoint. */
  wake({ checkpoint, delay = 0, committedAt }: Waking): void {
    if (this.isClosed || checkpoint < this.seen) return;
    const now = performance.now();
    const due = pokeDue({ now, last: this.pokedAt, delay, interval: this.times.pokeInterval });
    const { pending } = this;
    this.pending = {
      checkpoint,
      due: Math.min(due, pending?.due ?? Infinity),
      committedAt: pending?.committedAt ?? committedAt ?? null,
    };
    if (this.state === 'open' && (pending === null || due < pending.due)) this.schedule(due, now);
  }

  /** Does nothing when the device knows it. */
  tellSchema({ version, hash }: SchemaIds): void {
    if (this.state !== 'open' || hash === this.schemaHash) return;
    this.schemaHash = hash;
    this.write(() => this.sink.schema({ version, hash }));
  }

  /** To be called often: what is due by now is done. */
  keepUp(now: number): void {
    if (now >= this.endsAt) this.end('max_age');
    if (now < this.heartbeatAt) return;
    this.heartbeatAt = now + jittered(this.times.heartbeat);
    if (this.state === 'open') this.write(() => this.sink.heartbeat());
  }

  /** @param together how many are ended at the same time */
  end(reason: EndReason, together = 1): void {
    if (this.isClosed) return;
    this.close();
    this.sink.end(reason, retryAfter(reason, together));
  }

  /** Frees what it holds. The device has gone, or is told to go. */
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
    const { committedAt } = pending;
    this.owner.onPoke(committedAt === null ? null : this.pokedAt - committedAt);
    this.write(() => this.sink.poke(pending.checkpoint));
  }

  private write(write: () => void): void {
    write();
    if (this.sink.unsent > MOST_UNSENT) this.end('too_slow');
  }
}
