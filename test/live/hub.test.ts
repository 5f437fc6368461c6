import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LiveConnection } from '../../lib/live/live-connection.js';
import { LiveHub } from '../../lib/live/live-hub.js';
import type { LiveSink } from '../../lib/live/live-sink.js';

const TIMES = { heartbeat: 20_000, maxAge: 900_000, subscriptionInterval: 30_000 };
const POKE_INTERVAL = 100;

/** Records the messages to a device, each with its time by the fake clock. */
class RecordedSink implements LiveSink {
  unsent = 0;
  readonly lines: string[] = [];

  poke(checkpoint: bigint): void {
    this.lines.push(`${performance.now()} poke ${checkpoint}`);
  }
  schema({ hash }: { hash: string }): void {
    this.lines.push(`${performance.now()} schema ${hash}`);
  }
  heartbeat(): void {
    this.lines.push('heartbeat');
  }
  end(reason: string): void {
    this.lines.push(`${performance.now()} end ${reason}`);
  }
}

describe('the hub', () => {
  let hub: LiveHub;
  let delays: (number | null)[];

  beforeEach(() => {
    vi.useFakeTimers({ now: 0, toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    hub = new LiveHub();
    delays = [];
  });
  afterEach(() => vi.useRealTimers());

  function connect(
    userId: string,
    buckets: readonly string[],
    begun = true,
  ): { connection: LiveConnection; sink: RecordedSink } {
    const sink = new RecordedSink();
    const device = { userId, clientId: 'phone', id: userId, disconnect: 0n };
    const known = { checkpoint: 10n, schemaHash: 'a' };
    const connection = new LiveConnection(device, known, sink, TIMES, {
      pokeInterval: () => POKE_INTERVAL,
      onClose: (closed) => hub.delete(closed),
      onPoke: (delay) => delays.push(delay),
    });
    hub.add(connection, buckets);
    if (begun) connection.begin();
    return { connection, sink };
  }

  function grow(checkpoint: bigint, buckets: Readonly<Record<string, bigint>>): void {
    hub.wake(new Map(Object.entries(buckets)), { checkpoint, committedAt: performance.now() });
  }

  it('wakes who listens to a bucket, once for all of them, with the newest checkpoint', () => {
    const [alice, bob] = [connect('alice', ['user:alice', 'global']), connect('bob', ['user:bob'])];
    grow(12n, { 'user:alice': 11n, global: 12n });
    vi.advanceTimersByTime(10);
    expect(alice.sink.lines).toEqual(['0 poke 12']);
    expect(bob.sink.lines).toEqual([]);
  });

  it('wakes nobody for what they were told of', () => {
    const alice = connect('alice', ['global']);
    grow(12n, { global: 10n });
    vi.advanceTimersByTime(1_000);
    expect(alice.sink.lines).toEqual([]);
  });

  it('pokes at once, then once in a while, and queues nothing', () => {
    const alice = connect('alice', ['global']);
    for (let seq = 11n; seq <= 20n; seq++) {
      grow(seq, { global: seq });
      vi.advanceTimersByTime(10);
    }
    vi.advanceTimersByTime(1_000);
    expect(alice.sink.lines).toEqual(['0 poke 11', '100 poke 20']);
    expect(delays).toEqual([0, 90]);
  });

  it('wakes a crowd spread, the members of small buckets first and at once', () => {
    const crowd = Array.from({ length: 1_000 }, (_, n) => connect(`user ${n}`, ['global']));
    const alice = connect('alice', ['user:alice']);
    grow(12n, { global: 11n, 'user:alice': 12n });
    expect(alice.sink.lines).toEqual(['0 poke 12']);
    vi.advanceTimersByTime(250);
    const early = crowd.filter(({ sink }) => sink.lines.length > 0).length;
    expect(early).toBeGreaterThan(450);
    expect(early).toBeLessThan(550);
    // A change of one device’s own bucket does not wait for the crowd.
    grow(13n, { 'user:alice': 13n });
    vi.advanceTimersByTime(1_000);
    expect(alice.sink.lines).toEqual(['0 poke 12', '250 poke 13']);
    for (const { sink } of crowd) expect(sink.lines).toHaveLength(1);
  });

  it('brings a poke forward that has waited for its turn with others', () => {
    for (let n = 0; n < 1_000; n++) connect(`user ${n}`, ['global']);
    const alice = connect('alice', ['global', 'user:alice']);
    grow(12n, { global: 12n });
    grow(13n, { 'user:alice': 13n });
    vi.advanceTimersByTime(1_000);
    expect(alice.sink.lines).toEqual(['0 poke 13']);
  });

  it('tells nothing before the greeting, and then what has come meanwhile', () => {
    const alice = connect('alice', ['global'], false);
    grow(12n, { global: 12n });
    vi.advanceTimersByTime(50);
    expect(alice.sink.lines).toEqual([]);
    alice.connection.begin();
    expect(alice.sink.lines).toEqual(['50 poke 12']);
  });

  it('follows changed buckets', () => {
    const { connection, sink } = connect('alice', ['user:alice', 'team:1']);
    expect(hub.setBuckets(connection, ['team:1', 'user:alice'])).toBe(false);
    expect(hub.setBuckets(connection, ['user:alice', 'team:2'])).toBe(true);
    grow(12n, { 'team:1': 12n });
    grow(13n, { 'team:2': 13n });
    vi.advanceTimersByTime(1_000);
    expect(sink.lines).toEqual(['0 poke 13']);
  });

  it('tells a schema once to who has another', () => {
    const { connection, sink } = connect('alice', []);
    connection.sendSchema({ version: 1n, hash: 'a' });
    connection.sendSchema({ version: 2n, hash: 'b' });
    connection.sendSchema({ version: 2n, hash: 'b' });
    expect(sink.lines).toEqual(['0 schema b']);
  });

  it('ends who has more unsent than it should, and frees what a closed one held [W-LIVE-8]', () => {
    const { connection, sink } = connect('alice', ['global']);
    grow(12n, { global: 12n });
    grow(13n, { global: 13n });
    sink.unsent = 64 * 1024 + 1;
    vi.advanceTimersByTime(100);
    expect(sink.lines).toEqual(['0 poke 12', '100 poke 13', '100 end too_slow']);
    expect(connection.isClosed).toBe(true);
    expect(hub.size).toBe(0);
    expect(hub.setBuckets(connection, ['global'])).toBe(false);
    connection.wake({ checkpoint: 20n });
    connection.begin();
    connection.end('shutdown');
    expect(vi.getTimerCount()).toBe(0);
    expect(sink.lines).toHaveLength(3);
  });

  it('keeps each alive for its time, and ends it then', () => {
    const { connection, sink } = connect('alice', []);
    const tick = (now: number): void => {
      vi.setSystemTime(now);
      connection.keepUp(now);
    };
    tick(17_999);
    expect(sink.lines).toEqual([]);
    tick(22_000);
    expect(sink.lines).toEqual(['heartbeat']);
    tick(990_000);
    expect(sink.lines.at(-1)).toMatch(/end max_age$/);
  });
});
