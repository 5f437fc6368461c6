import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SyncLogger } from '../../lib/common/sync-logger.js';
import { HeadWatcher } from '../../lib/live/head-watcher.js';
import type { LiveReads } from '../../lib/live/live-reads.js';
import { eventually, pause } from '../support/wait.js';

function within(from: bigint, to: bigint): (each: { readonly seq: bigint }) => boolean {
  return ({ seq }) => seq > from && seq <= to;
}

/** A log in memory; a test can delay its answers, or let them fail. */
class Log {
  lastSeq = 10n;
  floorSeq = 0n;
  readonly entries: { readonly seq: bigint; readonly bucket: string }[] = [];
  readonly resyncs: { readonly seq: bigint; readonly id: string }[] = [];
  readonly disconnects: { readonly id: bigint; readonly userId: string; readonly clientId: null }[] = [];
  fails: 'head' | 'resynced' | null = null;
  heads = 0;

  append(...buckets: string[]): void {
    for (const bucket of buckets) this.entries.push({ seq: (this.lastSeq += 1n), bucket });
  }

  /** The queries of a watcher. */
  get reads(): LiveReads {
    return {
      head: async (from: bigint) => {
        this.heads += 1;
        if (this.fails === 'head') throw new Error('the database is away');
        const { lastSeq, floorSeq } = this;
        const found = this.entries.filter(within(from, lastSeq));
        return {
          lastSeq,
          floorSeq,
          age: 5,
          disconnect: this.disconnects.at(-1)?.id ?? 0n,
          entries: {
            buckets: new Map(found.map(({ seq, bucket }) => [bucket, seq])),
            count: BigInt(found.length),
          },
        };
      },
      resynced: async (from: bigint, to: bigint) => {
        if (this.fails === 'resynced') throw new Error('the database is away');
        return this.resyncs.filter(within(from, to)).map(({ id }) => id);
      },
      disconnects: async (after: bigint) => this.disconnects.filter(({ id }) => id > after),
    } as unknown as LiveReads;
  }
}

describe('the watcher of the log’s head', () => {
  let log: Log;
  let watcher: HeadWatcher;
  let isNeeded: boolean;
  let said: string[];

  beforeEach(() => {
    log = new Log();
    isNeeded = true;
    said = [];
    const warnings = { log: () => undefined, error: () => undefined, warn: () => said.push('warning') };
    watcher = new HeadWatcher(
      log.reads,
      {
        isNeeded: () => isNeeded,
        onEntries: (buckets) => said.push([...buckets].map(([bucket, seq]) => `${bucket}@${seq}`).join(' ')),
        onManyEntries: ({ checkpoint }) => said.push(`all@${checkpoint}`),
        onDisconnects: (disconnects) => said.push(...disconnects.map(({ userId }) => `end ${userId}`)),
      },
      new SyncLogger(warnings, 'test'),
    );
  });
  afterEach(() => watcher.stop());

  const start = (): boolean => watcher.follow({ lastSeq: log.lastSeq, disconnect: 0n });
  const next = (what: string): Promise<unknown> => eventually(() => said.includes(what), { interval: 2 });

  it('says in which buckets there is something new, each with its last entry', async () => {
    start();
    log.append('a', 'b', 'a');
    await next('a@13 b@12');
    log.append('c');
    watcher.readSoon();
    await next('c@14');
    expect(said).toEqual(['a@13 b@12', 'c@14']);
    expect(watcher.lastSeq).toBe(14n);
  });

  it('goes on from where the first reader was, and has a later one read again what was said meanwhile [W-LIVE-3]', async () => {
    log.append('a');
    expect(watcher.follow({ lastSeq: 10n, disconnect: 0n })).toBe(false);
    await next('a@11');
    expect(watcher.follow({ lastSeq: 10n, disconnect: 0n })).toBe(true);
    expect(watcher.follow({ lastSeq: 11n, disconnect: 0n })).toBe(false);
  });

  it('names the devices that were sent to a snapshot, for which there is no entry', async () => {
    start();
    log.append('a');
    log.resyncs.push({ seq: (log.lastSeq += 1n), id: 'phone' });
    await next('a@11 client:phone@12');
  });

  it('wakes all when it can’t tell whom, or there is too much to look at', async () => {
    start();
    log.lastSeq += 50_001n;
    await next('all@50011');
    log.append('a');
    log.floorSeq = log.lastSeq;
    await next('all@50012');
    // A restored backup.
    log.lastSeq = 5n;
    await next('all@5');
  });

  it('loses nothing while the database is away, and complains once [W-LIVE-11]', async () => {
    start();
    for (const where of ['head', 'resynced'] as const) {
      said = [];
      // A seq without an entry: the watcher asks what it stands for.
      log.lastSeq += 1n;
      log.append(where);
      log.fails = where;
      await next('warning');
      const { heads } = log;
      await eventually(() => log.heads > heads + 1);
      log.fails = null;
      await next(`${where}@${log.lastSeq}`);
      expect(said.filter((each) => each === 'warning')).toHaveLength(1);
    }
  });

  it('says whom the host has disconnected', async () => {
    start();
    log.disconnects.push({ id: 1n, userId: 'alice', clientId: null });
    await next('end alice');
    log.disconnects.push({ id: 2n, userId: 'bob', clientId: null });
    await next('end bob');
    expect(said).toEqual(['end alice', 'end bob']);
  });

  it('looks at nothing while nobody is connected, and begins again', async () => {
    isNeeded = false;
    start();
    watcher.readSoon();
    await pause(300);
    expect(log.heads).toBe(0);
    log.append('missed by nobody');
    isNeeded = true;
    start();
    log.append('a');
    await next('a@12');
    expect(said).toEqual(['a@12']);
  });
});
