import { randomUUID } from 'node:crypto';
import { map } from 'rxjs';
import { getDataSourceToken } from '@nestjs/typeorm';
import { VersioningType } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from './support/app.js';
import { consumed } from './support/consumer.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { Device } from './support/device.js';
import { insertTask } from './support/sample-rows.js';
import { send, type PushResponse, type SchemaIds, type WireAnswer } from './support/wire.js';

const POSTS = ['register', 'pull', 'push', 'snapshot'] as const;
const GETS = ['schema', 'tables'] as const;

let database: TestDatabase;
let app: RunningApp;
let user: string;
let phone: Device;
let ids: SchemaIds;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database, synchro: { minClientVersion: '1.2.0', retryAfter: 10 } });
});

beforeEach(async () => {
  user = `user-${randomUUID()}`;
  phone = new Device(app.url, user, randomUUID(), { appVersion: '1.2.0' });
  ids = await phone.schemaIds();
  await phone.register();
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

/** What the device knows of the schema, alone. */
function known(): SchemaIds {
  return { schema_version: ids.schema_version, schema_hash: ids.schema_hash };
}

/** A request with everything that is required, and what a test adds. */
function post(path: string, body: Readonly<Record<string, unknown>> = {}): Promise<WireAnswer> {
  return phone.send(path, { client_id: phone.clientId, ...known(), ...body });
}

function raw(
  path: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<WireAnswer> {
  return send(`${app.url}/sync/${path}`, { body, headers: { 'X-User-ID': user, ...headers } });
}

function expectEnvelope(answer: WireAnswer): void {
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(answer.text.endsWith('}\n')).toBe(true);
}

describe('every answer', () => {
  it('is exactly application/json and ends with a newline', async () => {
    const answers = [
      ...(await Promise.all(POSTS.map((path) => post(path)))),
      ...(await Promise.all(GETS.map((path) => phone.send(path)))),
    ];
    for (const answer of answers) {
      expect(answer, answer.text).toMatchObject({ status: 200 });
      expectEnvelope(answer);
    }
    expectEnvelope(await raw('pull', 'not json'));
    expectEnvelope(await send(`${app.url}/sync/pull`));
  });

  it('has arrays where the contract has arrays, and no nulls', async () => {
    for (const [path, arrays] of [
      ['pull', ['changes', 'deletes']],
      ['push', ['accepted', 'rejected']],
      ['snapshot', ['records']],
    ] as const) {
      const answer = await post(path, { checkpoint: 1 });
      expect(answer.text).not.toContain('null');
      for (const key of arrays) expect(answer.json).toHaveProperty(key, []);
    }
    const tables = await phone.send('tables');
    const { tables: listed } = tables.json as unknown as { tables: { dependencies: unknown }[] };
    for (const { dependencies } of listed) expect(dependencies).toBeInstanceOf(Array);
  });

  it('tells schema version and hash', async () => {
    for (const path of POSTS) expect((await post(path)).json).toMatchObject(known());
    for (const path of GETS) expect((await phone.send(path)).json).toMatchObject(known());
  });
});

describe('400', () => {
  it('complains about missing keys in the order of the contract', async () => {
    const withoutClient = ['schema_version', 'schema_hash'];
    const withClient = ['client_id', ...withoutClient];
    for (const [path, keys] of [
      ['register', withoutClient],
      ['push', withoutClient],
      ['pull', withClient],
      ['snapshot', withClient],
    ] as const) {
      const body: Record<string, unknown> = {};
      for (const key of keys) {
        const answer = await phone.send(path, body);
        expect(answer).toMatchObject({ status: 400, json: { error: `${key} is required` } });
        body[key] = null; // present is enough
      }
      expect((await phone.send(path, body)).status, 'a client without an id, or an unknown schema').toBe(
        path === 'register' ? 400 : 409,
      );
    }
  });

  it.each(['', 'null', '[]', '"text"', '7', '{', '{"a":}', 'undefined'])(
    'answers the body %j with "invalid request body"',
    async (body) => {
      for (const path of POSTS) {
        expect(await raw(path, body)).toMatchObject({ status: 400, json: { error: 'invalid request body' } });
      }
    },
  );

  it.each([
    ['pull', { limit: '10' }],
    ['pull', { limit: 1.5 }],
    ['pull', { checkpoint: '1' }],
    ['pull', { checkpoint: true }],
    ['pull', { tables: 'tasks' }],
    ['pull', { tables: [1] }],
    ['pull', { known_buckets: {} }],
    ['pull', { client_id: 1 }],
    ['pull', { schema_hash: 1 }],
    ['snapshot', { cursor: 'text' }],
    ['push', { changes: {} }],
    ['push', { changes: ['text'] }],
    ['register', { platform: 1 }],
    ['register', { client_id: 'x\0' }],
    ['register', { client_name: 'x\0' }],
    ['register', { client_id: 'x'.repeat(10_000) }],
    ['pull', { client_id: 'x'.repeat(256) }],
    ['pull', { tables: ['x\0'] }],
  ])('refuses a value of another type: %s %j', async (path, body) => {
    expect(await post(path, body)).toMatchObject({ status: 400, json: { error: 'invalid request body' } });
  });

  it('refuses integers beyond 64 bits and nesting without end', async () => {
    const schema = `"client_id":"${phone.clientId}","schema_version":${ids.schema_version},"schema_hash":"${ids.schema_hash}"`;
    expect(await raw('pull', `{${schema},"checkpoint":9223372036854775808}`)).toMatchObject({ status: 400 });
    expect(await raw('pull', `{${schema},"checkpoint":9223372036854775807}`)).toMatchObject({ status: 200 });
    const nested = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    expect(await raw('push', `{${schema},"changes":${nested}}`)).toMatchObject({ status: 400 });
  });

  it('an app version that is none is refused, in the header and at register (W-HTTP-6)', async () => {
    for (const version of ['new', '1.2']) {
      const answer = await send(`${app.url}/sync/schema`, {
        headers: { 'X-User-ID': user, 'X-App-Version': version },
      });
      expect(answer.status).toBe(400);
      expect((await post('register', { app_version: version })).status).toBe(400);
    }
  });
});

describe('401', () => {
  it('is the answer to every request without a user', async () => {
    for (const path of [...POSTS, ...GETS]) {
      const options = GETS.some((get) => get === path) ? {} : { body: '{}' };
      const answer = await send(`${app.url}/sync/${path}`, options);
      expect(answer.status).toBe(401);
      expectAllStrings(answer);
    }
  });

  it('is the answer where no guard knows the user either', async () => {
    const open = await startApp({
      database,
      synchro: { replication: false, guards: [], userId: () => undefined },
    });
    try {
      for (const body of ['{}', 'not json']) {
        expect(await send(`${open.url}/sync/pull`, { body })).toMatchObject({
          status: 401,
          json: { error: 'missing user identity' },
        });
      }
    } finally {
      await open.close();
    }
  });
});

describe('404', () => {
  it('is the answer to a client that is not registered', async () => {
    for (const path of ['pull', 'push', 'snapshot']) {
      const answer = await post(path, { client_id: randomUUID() });
      expect(answer).toMatchObject({ status: 404, json: { error: 'client not registered' } });
      expectAllStrings(answer);
    }
  });

  it("is the answer to another user's client", async () => {
    const other = new Device(app.url, `${user}-b`, phone.clientId, { appVersion: '1.2.0' });
    const answer = await other.send('pull', { client_id: phone.clientId, ...known() });
    expect(answer.status).toBe(404);
  });

  it('is the answer to what is no endpoint', async () => {
    expect((await phone.send('nothing')).status).toBe(404);
    expect((await phone.send('pull/more', {})).status).toBe(404);
  });
});

describe('405', () => {
  it('names the method that is allowed', async () => {
    for (const [paths, method, allowed] of [
      [POSTS, 'GET', 'POST'],
      [POSTS, 'PUT', 'POST'],
      [GETS, 'POST', 'GET'],
      [GETS, 'DELETE', 'GET'],
      [GETS, 'HEAD', 'GET'],
    ] as const) {
      for (const path of paths) {
        const answer = await send(`${app.url}/sync/${path}`, { method, headers: { 'X-User-ID': user } });
        expect(answer.status, `${method} ${path}`).toBe(405);
        expect(answer.headers.get('allow')).toBe(allowed);
        if (method !== 'HEAD') expect(answer.json).toEqual({ error: 'method not allowed' });
      }
    }
  });
});

describe('409', () => {
  it('tells the current schema', async () => {
    for (const path of POSTS) {
      for (const wrong of [
        { schema_version: ids.schema_version + 1 },
        { schema_hash: 'x' },
        { schema_version: 0 },
        { schema_version: ids.schema_version, schema_hash: '' },
      ]) {
        const answer = await post(path, wrong);
        expect(answer).toMatchObject({ status: 409 });
        expect(answer.json).toEqual({
          code: 'schema_mismatch',
          message: 'client schema does not match server schema',
          server_schema_version: ids.schema_version,
          server_schema_hash: ids.schema_hash,
        });
      }
    }
  });

  it('is not the answer to a client that registers without knowing any schema', async () => {
    const unknown = { schema_version: 0, schema_hash: '' };
    expect((await post('register', unknown)).json).toMatchObject({ schema_hash: ids.schema_hash });
    for (const path of ['pull', 'push', 'snapshot']) expect((await post(path, unknown)).status).toBe(409);
  });
});

describe('426', () => {
  it('is the answer to an app that is too old, on every endpoint', async () => {
    for (const version of ['1.1.9', 'v1.1.9', '0.9.0']) {
      const old = new Device(app.url, user, phone.clientId, { appVersion: version });
      for (const path of [...POSTS, ...GETS]) {
        const isGet = GETS.some((get) => get === path);
        const answer = await old.send(path, ...(isGet ? [] : [{ client_id: phone.clientId, ...known() }]));
        expect(answer).toMatchObject({ status: 426, json: { error: 'client upgrade required' } });
      }
    }
  });

  it('is the answer to an old version in the body of a registration', async () => {
    const answer = await post('register', { app_version: '1.1.0' });
    expect(answer).toMatchObject({ status: 426, json: { error: 'client upgrade required' } });
  });

  it('is not the answer to a new one, to a pre-release of the lowest, or to none', async () => {
    for (const version of ['1.2.0', 'v1.2.0', '2.0.0', '1.2.0-beta+5']) {
      const device = new Device(app.url, user, phone.clientId, { appVersion: version });
      expect((await device.send('schema')).status).toBe(200);
      expect((await post('register', { app_version: version })).status).toBe(200);
    }
    const answer = await send(`${app.url}/sync/schema`, { headers: { 'X-User-ID': user } });
    expect(answer.status).toBe(200);
    expect((await post('register', { app_version: '' })).status).toBe(200);
  });
});

describe('503', () => {
  it('asks devices to come back while there are no edges yet', async () => {
    const empty = await createDatabase();
    const waiting = await startApp({ database: empty, synchro: { replication: false } });
    try {
      const device = new Device(waiting.url, user);
      await device.schema();
      await device.register();
      for (const path of ['pull', 'snapshot']) {
        const answer = await device.send(path, {
          client_id: device.clientId,
          ...(await device.schemaIds()),
        });
        expectUnavailable(answer, 5);
      }
    } finally {
      await waiting.close();
      await empty.drop();
    }
  });

  it('is the answer of every endpoint whose database is gone (scenario 154)', async () => {
    const failing = await startApp({ database, synchro: { replication: false, retryAfter: 10 } });
    const pool = failing.app.get<DataSource>(getDataSourceToken(), { strict: false });
    await pool.destroy();
    try {
      const device = new Device(failing.url, user, phone.clientId);
      for (const path of POSTS) {
        expectUnavailable(await device.send(path, { client_id: phone.clientId, ...known() }), 10);
      }
      for (const path of GETS) expectUnavailable(await device.send(path), 10);
    } finally {
      await pool.initialize(); // the app destroys it again
      await failing.close();
    }
  });
});

describe('what the SDKs send', () => {
  it('may read the schema before it has registered, and without a version header', async () => {
    const answer = await send(`${app.url}/sync/schema`, {
      headers: { 'X-User-ID': `nobody ${randomUUID()}` },
    });
    expect(answer.status).toBe(200);
  });

  it('may be explicit nulls, as Kotlin has them', async () => {
    expect((await post('register', { client_name: null, platform: null, app_version: null })).status).toBe(
      200,
    );
    const nulls = { tables: null, known_buckets: null, checkpoint: null, limit: null };
    expect((await post('pull', nulls)).status).toBe(200);
    expect((await post('snapshot', { cursor: null, limit: null })).status).toBe(200);
    expect((await post('push', { changes: null })).json).toMatchObject({ accepted: [], rejected: [] });
    const change = { id: randomUUID(), table_name: 'tasks', operation: 'delete', data: null };
    const nullTimes = { client_updated_at: null, base_updated_at: null };
    expect((await post('push', { changes: [{ ...change, ...nullTimes }] })).json).toMatchObject({
      rejected: [{ id: change.id, reason_code: 'record_not_found' }],
    });
  });

  it('may have keys that the contract does not know', async () => {
    const answer = await post('push', {
      changes: [{ record_id: 'x', table: 'tasks', operation: 'create' }],
      more: 1,
    });
    expect(answer).toMatchObject({
      status: 200,
      json: {
        accepted: [],
        rejected: [{ status: 'rejected_terminal', reason_code: 'table_not_registered' }],
      },
    });
  });

  it('may say any content type, or none', async () => {
    const body = JSON.stringify({ client_id: phone.clientId, ...known() });
    for (const type of ['application/json; charset=utf-8', 'text/plain', 'application/octet-stream']) {
      expect((await raw('pull', body, { 'Content-Type': type })).status).toBe(200);
    }
  });

  it('may be a push body of 3 MB', async () => {
    const changes = Array.from({ length: 300 }, (_, n) => ({
      id: randomUUID(),
      table_name: 'tasks',
      operation: 'create',
      data: { user_id: user, title: `${n} ${'x'.repeat(10_000)}` },
      client_updated_at: new Date().toISOString(),
    }));
    const answer = await post('push', { changes });
    expect(answer.status).toBe(200);
    expect((answer.json as unknown as PushResponse).accepted).toHaveLength(300);
  });

  it('is refused above 16 MB, with an answer', async () => {
    const answer = await raw('push', `{"changes":["${'x'.repeat(16 * 1024 * 1024)}"]}`);
    expect(answer.status).toBe(413);
    expectAllStrings(answer);
  });

  it('numbers of 64 bits and numerics are exact in both directions', async () => {
    const id = randomUUID();
    const { schema_version: version, schema_hash: hash } = ids;
    const answer = await raw(
      'push',
      `{"client_id":"${phone.clientId}","schema_version":${version},"schema_hash":"${hash}","changes":[{"id":"${id}",
        "table_name":"tasks","operation":"create","client_updated_at":"2026-01-01T00:00:00.000Z","data":{"user_id":"${user}",
        "title":"exact","big_count":9223372036854775807,"estimate":12345678.90,"metadata":"{\\"n\\":9007199254740993}"}}]}`,
    );
    expect(answer.json).toMatchObject({ accepted: [{ id }] });
    expect(
      await database.query(
        'SELECT big_count::text, estimate::text, metadata::text FROM tasks WHERE id = $1',
        [id],
      ),
    ).toEqual([
      { big_count: '9223372036854775807', estimate: '12345678.90', metadata: '{"n": 9007199254740993}' },
    ]);
    await consumed(database);
    const { checkpoint } = (await post('snapshot')).json as unknown as { checkpoint: number };
    expect(checkpoint).toBeGreaterThan(0);
    for (const page of [await post('pull', { checkpoint: 1 }), await post('snapshot')]) {
      expect(page.text).toContain('"big_count":9223372036854775807');
      expect(page.text).toContain('"estimate":12345678.90');
      expect(page.text).toMatch(/"metadata":\{"n": ?9007199254740993\}/);
    }
  });

  it('JSON and arrays as text are stored as what they are', async () => {
    const id = randomUUID();
    const data = { user_id: user, title: 't', metadata: '{"a":[1,"b"]}', labels: '["x","y z",null]' };
    const time = new Date().toISOString();
    const change = { id, table_name: 'tasks', operation: 'create', data, client_updated_at: time };
    expect((await post('push', { changes: [change] })).json).toMatchObject({ accepted: [{ id }] });
    expect(await database.query('SELECT metadata, labels FROM tasks WHERE id = $1', [id])).toEqual([
      { metadata: { a: [1, 'b'] }, labels: ['x', 'y z', null] },
    ]);
  });
});

describe('what the host has of its own', () => {
  it('does not alter the answers: prefix, versioning, pipes, filters and interceptors', async () => {
    const host = await startApp({
      database,
      synchro: { replication: false },
      configure: (nest) => {
        nest.setGlobalPrefix('api');
        nest.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
        nest.useGlobalPipes({ transform: () => 'what a pipe made of it' });
        nest.useGlobalInterceptors({
          intercept: (_context, next) => next.handle().pipe(map((value: unknown) => ({ wrapped: value }))),
        });
        nest.useGlobalFilters({ catch: () => undefined });
      },
    });
    try {
      const device = new Device(`${host.url}/api`, user, phone.clientId);
      await device.start();
      const id = device.create('tasks', { user_id: user, title: 'through the host' });
      const [answer] = await device.pushPending();
      expect(answer?.accepted).toMatchObject([{ id, status: 'applied' }]);
      expect(await device.send('pull', {})).toMatchObject({
        status: 400,
        json: { error: 'client_id is required' },
      });
      expect((await device.send('pull')).status).toBe(405);
    } finally {
      await host.close();
    }
  });

  it("keeps its own routes' body parser", async () => {
    const answer = await send(`${app.url}/healthz`);
    expect(answer).toMatchObject({ status: 200, json: { status: 'ok' } });
  });
});

it('a registration tells the checkpoint and the last sync', async () => {
  await insertTask(database, user, 'task');
  await consumed(database);
  expect(await phone.register()).toMatchObject({ checkpoint: 0 });
  await phone.snapshot();
  const again = await phone.register();
  expect(again.checkpoint).toBe(phone.checkpoint);
  expect(again.last_sync_at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  expect(again.server_time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

/** SDKs decode an error's body as strings by name. */
function expectAllStrings({ json }: WireAnswer): void {
  expect(Object.values(json ?? {}).every((value) => typeof value === 'string')).toBe(true);
}

function expectUnavailable(answer: WireAnswer, seconds: number): void {
  expect(answer, answer.text).toMatchObject({ status: 503 });
  expect(answer.json).toEqual({ error: 'service temporarily unavailable', retry_after: seconds });
  expect(answer.headers.get('retry-after')).toBe(String(seconds));
  expectEnvelope(answer);
}
