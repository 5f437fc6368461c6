import { randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { Body, Controller, Post, Req } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type AppOptions, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { send, toJson, type PushResponse, type WireAnswer } from '../../support/wire.js';

const MEGABYTE = 1024 * 1024;
const PLATFORMS = {
  Express: { adapter: () => undefined, ownLimit: 100 * 1024 },
  Fastify: { adapter: () => new FastifyAdapter(), ownLimit: MEGABYTE },
};

/** A route of the host's own. */
@Controller('own')
class OwnController {
  @Post('register')
  echo(@Body() body: unknown, @Req() { rawBody }: { rawBody?: Buffer }): unknown {
    return { type: typeof body, body, raw: rawBody?.toString() ?? null };
  }
}

describe.each(Object.entries(PLATFORMS))('bodies on %s', (_, { adapter, ownLimit }) => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;

  beforeAll(async () => {
    database = await createDatabase();
    app = await start();
    phone = new Device(app.url, 'alice');
    await phone.register();
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  function start(nest: AppOptions['nest'] = {}): Promise<RunningApp> {
    const platform = adapter();
    return startApp({
      database,
      nest,
      synchro: { replication: false },
      host: { controllers: [OwnController] },
      ...(platform && { adapter: platform }),
    });
  }

  async function pushText(megabytes: number): Promise<string> {
    const title = 'x'.repeat(MEGABYTE / 2);
    const changes = Array.from({ length: 2 * megabytes }, () => change({ title }));
    return toJson({ client_id: phone.clientId, ...(await phone.schemaIds()), changes });
  }

  /** Without a length: in chunks. */
  function sendChunked(path: string, chunks: readonly Buffer[]): Promise<WireAnswer> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${app.url}/sync/${path}`, {
        method: 'POST',
        headers: { 'X-User-ID': 'alice' },
      });
      request.once('error', reject);
      request.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: new Headers(), text, json: JSON.parse(text) }),
        );
      });
      for (const chunk of chunks) request.write(chunk);
      request.end();
    });
  }

  it('may have 15 MB', async () => {
    const answer = await phone.send('push', await pushText(15));
    expect(answer.status).toBe(200);
    expect((answer.json as unknown as PushResponse).accepted).toHaveLength(30);
  });

  it('are refused above 16 MB, with an answer that SDKs can decode, once it is known who asks [W-HTTP-1]', async () => {
    const body = await pushText(16);
    expect(body.length).toBeGreaterThan(16 * MEGABYTE);
    expect(await phone.send('push', body)).toMatchObject({
      status: 413,
      json: { error: 'request body is larger than 16 MB' },
    });
    expect((await send(`${app.url}/sync/push`, { body })).status).toBe(401);
    // The connection that it came on, and the app, go on.
    expect((await phone.send('schema')).status).toBe(200);
  });

  it('are refused above 16 MB also where they come without a length [W-HTTP-1]', async () => {
    const chunks = Array.from({ length: 17 }, () => Buffer.alloc(MEGABYTE, 'x'));
    expect(await sendChunked('push', chunks)).toMatchObject({
      status: 413,
      json: { error: 'request body is larger than 16 MB' },
    });
  });

  it('may come in chunks that cut a character in two', async () => {
    const id = randomUUID();
    const ids = await phone.schemaIds();
    const text = Buffer.from(
      toJson({ client_id: phone.clientId, ...ids, changes: [change({ id, title: 'grün 🌱' })] }),
    );
    const cut = text.indexOf('🌱') + 2;
    const parts = [text.subarray(0, cut), text.subarray(cut)];
    const answer = await sendChunked('push', parts);
    expect(answer).toMatchObject({ status: 200, json: { accepted: [{ id }] } });
    expect(await database.query('SELECT title FROM tasks WHERE id = $1', [id])).toEqual([
      { title: 'grün 🌱' },
    ]);
    expect(await sendChunked('pull', [])).toMatchObject({
      status: 400,
      json: { error: 'invalid request body' },
    });
  });

  it('that break off cost nobody else anything, not even a line in the log', async () => {
    const logged: unknown[] = [];
    const log = (line: unknown): void => void logged.push(line);
    const quiet = await start({ logger: { log: () => {}, warn: () => {}, error: log, fatal: log } });
    try {
      await new Promise<void>((resolve) => {
        const headers = { 'X-User-ID': 'alice', 'Content-Length': '1000' };
        const request = httpRequest(`${quiet.url}/sync/push`, { method: 'POST', headers });
        request.once('error', () => resolve());
        request.write('{"client_id":', () => request.destroy(new Error('gone')));
      });
      expect((await new Device(quiet.url, 'alice').send('schema')).status).toBe(200);
    } finally {
      // Waits for what is still being answered.
      await quiet.close();
    }
    expect(logged).toEqual([]);
  });

  it("nested without end don't cost the stack [W-HTTP-1]", async () => {
    const answer = await phone.send('push', `{"changes":${'['.repeat(MEGABYTE)}`);
    expect(answer).toMatchObject({ status: 400, json: { error: 'invalid request body' } });
  });

  it("of the host's own routes are parsed by Nest, within its limit", async () => {
    const url = `${app.url}/own/register`;
    expect(await send(url, { body: { n: 1 } })).toMatchObject({
      status: 201,
      json: { type: 'object', body: { n: 1 }, raw: null },
    });
    expect((await send(url, { body: { text: 'x'.repeat(ownLimit) } })).status).toBe(413);
    expect((await send(url, { body: 'not json' })).status).toBe(400);
  });

  it('with rawBody: true, the host has its raw bodies and sync works', async () => {
    const raw = await start({ rawBody: true });
    try {
      const body = '{ "n":1.0 }';
      expect(await send(`${raw.url}/own/register`, { body })).toMatchObject({ json: { raw: body } });
      expect((await new Device(raw.url, 'alice').register()).schema_version).toBe(1);
    } finally {
      await raw.close();
    }
  });

  it('with bodyParser: false, sync works', async () => {
    const bare = await start({ bodyParser: false });
    try {
      const device = new Device(bare.url, 'alice', phone.clientId);
      const body = await pushText(1);
      expect((await device.send('push', body)).json).toMatchObject({ rejected: [] });
    } finally {
      await bare.close();
    }
  });
});

function change({ id = randomUUID(), title }: { readonly id?: string; readonly title: string }): object {
  return {
    id,
    table_name: 'tasks',
    operation: 'create',
    data: { user_id: 'alice', title },
    client_updated_at: new Date().toISOString(),
  };
}
