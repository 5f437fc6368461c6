import { createGzip } from 'node:zlib';
import type { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Controller, Module, UseGuards, VersioningType, type INestApplication } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { SyncController, UserIdHeaderGuard } from 'nestjs-synchro';
import { map, timeout } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { LiveStream } from '../support/live-stream.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually, pause } from '../support/wait.js';

const ADAPTERS = { Express: () => undefined, Fastify: () => new FastifyAdapter() };

/** The host's limit on the time of a handler. */
const HANDLER_MS = 500;

/** Alters all answers, as hosts do. */
function alter(app: INestApplication): void {
  app.enableCors({ origin: 'https://app.example.com' });
  app.setGlobalPrefix('api');
  app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
  app.useGlobalInterceptors(
    { intercept: (_context, next) => next.handle().pipe(timeout(HANDLER_MS)) },
    { intercept: (_context, next) => next.handle().pipe(map((data: unknown) => ({ data }))) },
  );
  const adapter = app.getHttpAdapter();
  if (adapter.getType() === 'fastify') {
    const instance: { addHook(name: 'onSend', hook: () => Promise<never>): void } = adapter.getInstance();
    // As @fastify/compress does it, which would take the stream's pieces for one payload.
    instance.addHook('onSend', () => Promise.reject(new Error('the answer is not the platform’s to send')));
  } else app.use(compress);
}

/** Compresses as `compression` does on Express: it holds pieces back until there are enough, but for `no-transform`. */
function compress(_request: unknown, response: ServerResponse, next: () => void): void {
  const write = response.write.bind(response);
  const end = response.end.bind(response);
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
  response.writeHead = (...args: unknown[]) => {
    if (!/no-transform/.test(String(response.getHeader('Cache-Control')))) {
      const gzip = createGzip();
      response.setHeader('Content-Encoding', 'gzip');
      response.removeHeader('Content-Length');
      gzip.on('data', (piece: Buffer) => write(piece));
      gzip.on('end', () => end());
      response.write = ((piece: string) => gzip.write(piece)) as typeof response.write;
      response.end = ((piece?: string) => gzip.end(piece)) as unknown as typeof response.end;
    }
    return writeHead(...args);
  };
  next();
}

describe.each(Object.entries(ADAPTERS))('the live channel on %s', (_platform, adapter) => {
  let database: TestDatabase;
  let app: RunningApp;
  let users = 0;

  beforeAll(async () => {
    database = await createDatabase();
    app = await start();
    await consumed(database);
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  function start(options: Partial<Parameters<typeof startApp>[0]> = {}): Promise<RunningApp> {
    const made = adapter();
    return startApp({ database, ...(made && { adapter: made }), configure: alter, ...options });
  }

  async function startDevice(own = app): Promise<Device> {
    users += 1;
    const device = new Device(own.url, `user-${users}`);
    // This host alters the answers of other routes: the device registers at another one.
    const plain = await startApp({ database, synchro: { replication: false } });
    device.url = plain.url;
    await device.start();
    await plain.close();
    device.url = own.url;
    return device;
  }

  it('streams through compression, interceptors, a prefix and versions, with the headers of CORS [W-LIVE-5]', async () => {
    const device = await startDevice();
    const stream = await LiveStream.open(device, {
      path: '/api/sync',
      since: device.checkpoint,
      headers: { Origin: 'https://app.example.com', 'Accept-Encoding': 'gzip' },
    });
    expect(stream.status).toBe(200);
    expect(stream.response.headers).not.toHaveProperty('content-encoding');
    expect(stream.response.headers).toMatchObject({
      'content-type': 'text/event-stream',
      connection: 'close',
      'access-control-allow-origin': 'https://app.example.com',
    });
    await stream.first('hello');
    await pause(HANDLER_MS + 100);
    expect(stream.isEnded).toBe(false);
    await insertTask(database, device.userId, 'later');
    await stream.first('poke');
    stream.close();
  });

  it('answers a long poll that waits for longer than the host lets handlers take', async () => {
    const device = await startDevice();
    const ask = (wait: number, headers: Readonly<Record<string, string>> = {}): Promise<Response> =>
      fetch(`${app.url}/api/sync/live?client_id=${device.clientId}&since=${device.checkpoint}&wait=${wait}`, {
        headers: { 'X-User-ID': device.userId, 'Accept-Encoding': 'identity', ...headers },
      });
    const nothing = await ask(1);
    expect([nothing.status, await nothing.text()]).toEqual([204, '']);
    const begun = performance.now();
    const waiting = ask(55, { Origin: 'https://app.example.com' });
    await pause(HANDLER_MS + 100);
    await insertTask(database, device.userId, 'later');
    const answer = await waiting;
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    expect(await answer.json()).toEqual({ checkpoint: expect.any(Number) });
    expect(performance.now() - begun).toBeLessThan(30_000);
    // There is something to pull already.
    expect((await ask(0)).status).toBe(200);
  });

  it('stops with the app, which waits for nobody [W-LIVE-6]', async () => {
    const stopped = await start({ synchro: { replication: false }, configure: () => undefined });
    const device = await startDevice(stopped);
    const streams = await Promise.all(Array.from({ length: 20 }, () => LiveStream.open(device)));
    for (const stream of streams) await stream.first('hello');
    const { port } = new URL(stopped.url);
    const frozen = new Socket();
    frozen.connect(Number(port), '127.0.0.1').on('error', () => undefined);
    frozen.write(
      `GET /sync/live?client_id=${device.clientId} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nX-User-ID: ${device.userId}\r\n\r\n`,
    );
    await new Promise((resolve) => frozen.once('readable', resolve));
    const poll = device.send(`live?client_id=${device.clientId}&wait=55`);
    const begun = performance.now();
    await eventually(
      async () => (await device.send(`live?client_id=${device.clientId}&wait=0`)).status === 204,
    );
    await stopped.close();
    expect(performance.now() - begun).toBeLessThan(8_000);
    for (const stream of streams) {
      const { data } = await stream.first('bye');
      expect(data).toEqual({ retry_ms: expect.any(Number), reason: 'shutdown' });
      await stream.ended();
    }
    const answer = await poll;
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(answer.json).toMatchObject({ retry_after: expect.any(Number) });
    frozen.destroy();
  });

  it('is there in a controller of the host’s own', async () => {
    @Controller('mobile')
    @UseGuards(UserIdHeaderGuard())
    class MobileController extends SyncController {}

    @Module({ controllers: [MobileController] })
    class MobileModule {}

    const own = await start({
      synchro: { controller: false, isGlobal: true, replication: false },
      host: { imports: [MobileModule] },
      configure: () => undefined,
    });
    const stream = await LiveStream.open(await startDevice(own), { path: '/mobile' });
    await stream.first('hello');
    stream.close();
    await own.close();
  });
});
