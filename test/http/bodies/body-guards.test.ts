import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Body, Controller, Post, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { UserIdHeaderGuard } from 'nestjs-synchro';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type AppOptions, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { send } from '../../support/wire.js';
import { eventually } from '../../support/wait.js';

const MEBIBYTE = 1024 * 1024;
let database: TestDatabase;
let app: RunningApp;
const sockets: Socket[] = [];

beforeAll(async () => {
  database = await createDatabase();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app.close();
});
afterAll(() => database.drop());

/** Routes of the host's own that are named like ours. */
@Controller()
class OwnRoutes {
  @Post(['other/sync/push', 'devices/register', 'register/push'])
  echo(@Body() body: unknown): unknown {
    return { body };
  }
}

/** What a guard sees of a request. */
const seen: unknown[] = [];
class LookingGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ body: unknown; headers: Record<string, unknown> }>();
    seen.push({ body: request.body, type: request.headers['content-type'] });
    return true;
  }
}

/** Begins a POST whose body has `length` bytes, and sends no more of it than `part`. */
function begin(path: string, part: Buffer, { length = 16 * MEBIBYTE, user = '' } = {}): Unfinished {
  const { hostname, port } = new URL(app.url);
  const socket = connect(Number(port), hostname.replaceAll(/[[\]]/g, ''));
  sockets.push(socket);
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  socket.on('error', () => undefined); // it is closed by the server, in the middle perhaps
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${user && `X-User-ID: ${user}\r\n`}\r\n`,
  );
  socket.write(part);
  return { socket, answer: () => answer, status: () => Number(answer.split(' ')[1]) };
}

describe.each(ADAPTERS)('on %s', (_platform, adapter) => {
  async function start(options: Omit<AppOptions, 'database'> = {}): Promise<void> {
    const synchro = { replication: false, ...options.synchro } as const;
    app = await startApp({ database, adapter: adapter(), ...options, synchro });
  }

  it('nothing of a body is kept before the guards have passed [W-LOAD-6]', async () => {
    await start();
    const part = randomBytes(4 * MEBIBYTE);
    const before = process.memoryUsage();
    const begun = Array.from({ length: 60 }, () => begin('/sync/push', part));
    await eventually(() => expect(begun.map(({ status }) => status())).toEqual(begun.map(() => 401)));
    await eventually(() =>
      expect(begun.map(({ socket }) => socket.writableLength)).toEqual(begun.map(() => 0)),
    );
    const { arrayBuffers } = process.memoryUsage();
    // Of 240 MB.
    expect((arrayBuffers - before.arrayBuffers) / MEBIBYTE).toBeLessThan(60);
  });

  it('a body that was refused is read to a bound, then the connection is closed [W-LOAD-6]', async () => {
    await start({ synchro: { maxBodyBytes: MEBIBYTE, limits: { bodyTimeout: 3_600_000 } } });
    const { socket, status } = begin('/sync/push', randomBytes(3 * MEBIBYTE), { length: 100 * MEBIBYTE });
    // Long before Node itself would close a connection on which nothing comes.
    await eventually(() => expect(socket.closed).toBe(true));
    expect(status()).toBe(401);
  });

  it('after a refusal the connection serves the next request', async () => {
    await start();
    const { socket, answer } = begin('/sync/push', randomBytes(MEBIBYTE), { length: MEBIBYTE });
    await eventually(() => expect(answer()).toContain('missing user identity'));
    socket.write('GET /sync/schema HTTP/1.1\r\nHost: a\r\nX-User-ID: alice\r\n\r\n');
    await eventually(() => expect(answer()).toContain('schema_hash'));
  });

  it('a body that does not end in time is answered 408, and the connection closed [W-LOAD-7]', async () => {
    await start({ synchro: { limits: { bodyTimeout: 200 } } });
    const { socket, status } = begin('/sync/push', randomBytes(1000), { user: 'alice' });
    await once(socket, 'close');
    expect(status()).toBe(408);
  });

  it('of bodies that are too much together the largest goes, and small ones pass [W-LOAD-7]', async () => {
    await start({ synchro: { maxBodyBytes: MEBIBYTE, limits: { bodyMemory: MEBIBYTE } } });
    const options = { length: MEBIBYTE, user: 'mallory' };
    const larger = begin('/sync/push', randomBytes(600_000), options);
    await eventually(() => expect(larger.socket.writableLength).toBe(0));
    const smaller = begin('/sync/push', randomBytes(500_000), options);
    await eventually(() => expect(larger.status()).toBe(503));
    expect(larger.answer()).toMatch(/^Retry-After: 5\r$/im);
    const phone = new Device(app.url, 'alice');
    await phone.register();
    expect(phone.checkpoint).toBe(0);
    expect(smaller.answer()).toBe('');
  });

  it("routes of the host's own are not taken, whatever they are called [W-LOAD-8]", async () => {
    await start({ host: { controllers: [OwnRoutes] }, configure: (each) => each.setGlobalPrefix('api') });
    for (const path of ['other/sync/push', 'devices/register', 'register/push']) {
      const answer = await send(`${app.url}/api/${path}`, { body: { n: 1 } });
      expect(answer).toMatchObject({ status: 201, json: { body: { n: 1 } } });
    }
    const own = await send(`${app.url}/api/sync/register`, { body: {}, headers: { 'X-User-ID': 'alice' } });
    expect(own).toMatchObject({ status: 400, json: { error: 'schema_version is required' } });
  });

  it("with an empty path, routes of the host's own are not taken either [W-LOAD-8]", async () => {
    await start({ synchro: { path: '' }, host: { controllers: [OwnRoutes] } });
    expect(await send(`${app.url}/devices/register`, { body: { n: 1 } })).toMatchObject({
      json: { body: { n: 1 } },
    });
    const own = await send(`${app.url}/register`, { body: {}, headers: { 'X-User-ID': 'alice' } });
    expect(own).toMatchObject({ status: 400, json: { error: 'schema_version is required' } });
  });

  it('guards see the headers, and an empty body [W-LOAD-6]', async () => {
    await start({ synchro: { guards: [LookingGuard, UserIdHeaderGuard()] } });
    seen.length = 0;
    await send(`${app.url}/sync/pull`, { body: { n: 1 }, headers: { 'Content-Type': 'application/x-own' } });
    expect(seen).toEqual([{ body: {}, type: 'application/x-own' }]);
  });

  it('a packed body is refused before a byte of it is unpacked [W-LOAD-6]', async () => {
    await start();
    for (const encoding of ['gzip', 'GZIP', 'br', 'deflate', 'zstd', 'gzip, gzip', 'identity, gzip']) {
      const headers = { 'X-User-ID': 'alice', 'Content-Encoding': encoding };
      expect((await send(`${app.url}/sync/push`, { body: '{}', headers })).status).toBe(415);
    }
  });

  it('a body that is packed by no coding is taken, however that is spelled [W-HOST-52]', async () => {
    await start();
    for (const encoding of ['identity', 'Identity', 'IDENTITY', 'identity, Identity']) {
      const headers = { 'X-User-ID': 'alice', 'Content-Encoding': encoding };
      expect(await send(`${app.url}/sync/push`, { body: '{}', headers })).toMatchObject({
        status: 400,
        json: { error: 'schema_version is required' },
      });
    }
  });
});

interface Unfinished {
  readonly socket: Socket;
  /** What has come so far. */
  readonly answer: () => string;
  readonly status: () => number;
}
