import { BucketIndex } from './bucket-index.js';
import type { LiveConnection } from './live-connection.js';
import { spreadOver } from './pacing.js';

/** The growth of the log. */
export interface LogGrowth {
  /** High-water mark. */
  readonly checkpoint: bigint;
  /** When the newest change was committed, by `performance.now()`. */
  readonly committedAt: number;
}

/** The connections of an instance, by bucket and by user. */
export class LiveHub {
  private readonly index = new BucketIndex<LiveConnection>();
  /** Each user's connections, in the order in which they came. */
  private readonly users = new Map<string, Set<LiveConnection>>();

  get size(): number {
    return this.index.size.members;
  }

  all(): readonly LiveConnection[] {
    return [...this.index.all()];
  }

  /** The connections of a user, or of one of their devices, the oldest first. */
  of(userId: string, clientId: string | null = null): readonly LiveConnection[] {
    const own = [...(this.users.get(userId) ?? [])];
    return clientId === null ? own : own.filter(({ device }) => device.clientId === clientId);
  }

  add(connection: LiveConnection, buckets: readonly string[]): void {
    const { userId } = connection.device;
    this.index.set(connection, buckets);
    const own = this.users.get(userId);
    if (own) own.add(connection);
    else this.users.set(userId, new Set([connection]));
  }

  /** @returns whether they are others than before */
  setBuckets(connection: LiveConnection, buckets: readonly string[]): boolean {
    return !connection.isClosed && this.index.set(connection, buckets);
  }

  delete(connection: LiveConnection): void {
    const { userId } = connection.device;
    this.index.delete(connection);
    const own = this.users.get(userId);
    own?.delete(connection);
    if (own?.size === 0) this.users.delete(userId);
  }

  /**
   * Wakes the connections that listen to buckets with new entries. They take turns, the members of small buckets first:
   * a change that everybody sees delays no change of one user.
   * @param buckets each with the seq of its last entry
   */
  wake(buckets: ReadonlyMap<string, bigint>, growth: LogGrowth): void {
    const listened = [...buckets]
      .map(([bucket, last]) => ({ last, members: this.index.of(bucket) }))
      .filter(({ members }) => members.size > 0)
      .toSorted((a, b) => a.members.size - b.members.size);
    const woken = new Set<LiveConnection>();
    for (const { last, members } of listened)
      for (const member of members) if (last > member.seen) woken.add(member);
    this.inTurns([...woken], growth);
  }

  wakeAll(growth: LogGrowth): void {
    this.inTurns(this.all(), growth);
  }

  private inTurns(connections: readonly LiveConnection[], growth: LogGrowth): void {
    const step = spreadOver(connections.length) / connections.length;
    for (const [place, connection] of connections.entries())
      connection.wake({ ...growth, delay: place * step });
  }
}
