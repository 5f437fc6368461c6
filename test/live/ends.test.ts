import { once } from 'node:events';
import type { Server } from 'node:http';
import { Socket } from 'node:net';
import { SyncStatus } from 'nestjs-synchro';
import { Agent, fetch } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Live } from '../../lib/live/live.js';
import type { HeadWatcher } from '../../lib/live/head-watcher.js';
import type { LiveHub } from '../../lib/live/live-hub.js';
import type { LiveReads } from '../../lib/live/live-reads.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { LiveStream } from '../support/live-stream.js';
import { usedHeap } from '../support/used-heap.js';
import { eventually, pause } from '../support/wait.js';
import { send } from '../support/wire.js';

/** `npm run test:soak` sets it to 20 000. */
const ABORTED = Number(process.env['LIVE_ABORTED'] ?? 400);
const AT_ONCE = 20;
/** Of live objects; what one connection would leave is some 20 KB. */
const NO_LEAK_BYTES = 16_000_000;

async function startDevice(app: RunningApp, user = 'alice'): Promise<Device> {
  const device = new Device(app.url, user);
  await device.start();
  return device;
}

/** Bytes, once what closed in this turn is let go of. */
async function heapOf(): Promise<number> {
  await pause(100);
  return usedHeap();
}

async function connections({ app }: RunningApp): Promise<number> {
  return (await app.get(SyncStatus).read()).live.connections;
}

describe('connections of the live channel', () => {
  let database: TestDatabase;
  const apps: RunningApp[] = [];
  const streams: LiveStream[] = [];

  beforeAll(async () => {
    database = await createDatabase();
    const app = await startApp({ database });
    await consumed(database);
    await app.close();
  });
  afterEach(async () => {
    for (const stream of streams.splice(0)) stream.close();
    for (const app of apps.splice(0)) await app.close();
  });
  afterAll(() => database.drop());

  async function start(live: object): Promise<RunningApp> {
    const app = await startApp({ database, synchro: { replication: false, live } });
    apps.push(app);
    return app;
  }

  async function connect(device: Device): Promise<LiveStream> {
    const stream = await LiveStream.open(device);
    streams.push(stream);
    return stream;
  }

  it('keep no place where the database fails behind it [W-LIVE-12]', async () => {
    const app = await start({});
    const device = await startDevice(app);
    const live: unknown = app.app.get(Live);
    const { watcher, reads } = live as { readonly watcher: HeadWatcher; readonly reads: LiveReads };
    // Others have heard of later entries.
    vi.spyOn(watcher, 'follow').mockReturnValueOnce(true);
    const read = reads.client.bind(reads);
    const lost = Object.assign(new Error('connection lost'), { code: '08006' });
    vi.spyOn(reads, 'client').mockImplementationOnce(read).mockRejectedValueOnce(lost);
    expect(await device.send(`live?client_id=${device.clientId}`)).toMatchObject({ status: 503 });
    expect(await connections(app)).toBe(0);
  });

  it('are refused beyond maxConnections, with a time to come back; other routes go on [W-LIVE-7] [W-LIVE-9]', async () => {
    const app = await start({ maxConnections: 3 });
    const device = await startDevice(app);
    const held = [await connect(device), await connect(device), await connect(device)];
    for (let n = 0; n < 3; n++) {
      const { status, headers, json } = await device.send(`live?client_id=${device.clientId}`);
      expect(status).toBe(503);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
      expect(json).toEqual({ error: 'too many live connections', retry_after: expect.any(Number) });
      await device.pull();
    }
    held[0]?.close();
    await eventually(async () => (await connections(app)) === 2);
    await (await connect(device)).first('hello');
  });

  it('take none of the user’s requests: any number of a user’s devices are connected, and pull', async () => {
    const app = await start({});
    const device = await startDevice(app);
    for (let n = 0; n < 10; n++) await (await connect(device)).first('hello');
    await device.pull();
    expect(await connections(app)).toBe(10);
  });

  it('live for their time, and are told to come back', async () => {
    const app = await start({ maxAge: '1s' });
    const stream = await connect(await startDevice(app));
    await stream.first('hello');
    const { data } = await stream.first('bye');
    expect(data).toEqual({ reason: 'max_age', retry_ms: expect.any(Number) });
    await stream.ended();
    expect(await connections(app)).toBe(0);
  });

  it('give way to newer ones of the same user, and to nobody else’s', async () => {
    const app = await start({ connectionsPerUser: 2 });
    const [alice, bob] = [await startDevice(app), await startDevice(app, 'bob')];
    const his = await connect(bob);
    const hers = [await connect(alice), await connect(alice), await connect(alice)];
    expect((await hers[0]?.first('bye'))?.data).toMatchObject({ reason: 'replaced' });
    await hers[2]?.first('hello');
    await hers[0]?.ended();
    expect([his.isEnded, hers[1]?.isEnded, hers[2]?.isEnded]).toEqual([false, false, false]);
  });

  it('end when the device doesn’t read, before they cost much [W-LIVE-8]', async () => {
    const app = await start({ pokeInterval: 0 });
    const device = await startDevice(app);
    const reader = await connect(device);
    await reader.first('hello');
    const slow = new Socket();
    slow.on('error', () => undefined).connect(Number(new URL(app.url).port), '127.0.0.1');
    slow.write(
      `GET /sync/live?client_id=${device.clientId} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nX-User-ID: alice\r\n\r\n`,
    );
    await once(slow, 'readable');
    await eventually(async () => (await connections(app)) === 2);
    const { hub } = app.app.get<{ readonly hub: LiveHub }>(Live);
    // The sockets buffer some megabytes: long messages fill them sooner.
    let version = 1n;
    await eventually(
      () => {
        version += 1n;
        for (const each of hub.all()) each.sendSchema({ version, hash: `${version}`.padEnd(30_000, 'x') });
        return hub.size === 1;
      },
      { interval: 2 },
    );
    expect(reader.isEnded).toBe(false);
    // The server cuts the connection, and does not wait until the device has read the rest.
    slow.resume();
    await once(slow, 'close');
    await reader.first('schema', ({ data }) => data['schema_version'] === Number(version));
  });

  it('leave nothing behind when devices go, in whatever state they are [W-LIVE-9]', async () => {
    const app = await start({});
    const device = await startDevice(app);
    const live = app.app.get<{
      readonly hub: {
        readonly size: number;
        readonly users: ReadonlyMap<unknown, unknown>;
        readonly index: { readonly size: object };
      };
      readonly opening: number;
    }>(Live);
    const query = `live?client_id=${device.clientId}`;
    const clients = new Agent();
    const sockets = new Set<Socket>();
    (app.app.getHttpServer() as Server).on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    let before = 0;
    for (let round = 0; round < ABORTED / AT_ONCE; round++) {
      // The first ones fill caches.
      if (round === 10) before = await heapOf();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async (_, n) => {
          const ended = new AbortController();
          const answer = fetch(`${app.url}/sync/${n % 3 === 0 ? `${query}&wait=55` : query}`, {
            dispatcher: clients,
            signal: ended.signal,
            headers: { 'X-User-ID': 'alice', Accept: n % 3 === 0 ? '*/*' : 'text/event-stream' },
          });
          // Before the guards, during the look-up of the device, and after the greeting.
          await pause((n * 7) % 40);
          ended.abort();
          await answer.catch(() => undefined);
        }),
      );
    }
    await eventually(() => live.hub.size === 0 && live.opening === 0);
    expect(live.hub.users.size).toBe(0);
    expect(live.hub.index.size).toEqual({ members: 0, buckets: 0 });
    // It keeps connections that were made for requests which were aborted before they were sent.
    await clients.destroy();
    await eventually(() => sockets.size <= 1);
    expect((await heapOf()) - before).toBeLessThan(NO_LEAK_BYTES);
    // The user has all their places again.
    await Promise.all(Array.from({ length: 8 }, () => device.pullPage()));
    expect((await send(`${app.url}/healthz`)).status).toBe(200);
  });
});
