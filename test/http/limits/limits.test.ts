import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ADAPTERS } from '../../support/adapters.js';
import { startApp, type AppOptions, type RunningApp } from '../../support/app.js';
import { consumed } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device, RetryableRejectionError } from '../../support/device.js';
import { send, type WireAnswer } from '../../support/wire.js';

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
});

afterEach(() => app.close());

afterAll(async () => {
  await database.drop();
});

function raw(path: string, body: string): Promise<WireAnswer> {
  return send(`${app.url}/sync/${path}`, { body, headers: { 'X-User-ID': 'a' } });
}

describe.each(ADAPTERS)('on %s', (_platform, adapter) => {
  async function startWith(synchro: NonNullable<AppOptions['synchro']>): Promise<void> {
    app = await startApp({ database, adapter: adapter(), synchro: { replication: false, ...synchro } });
  }

  it('a body may be as large as maxBodyBytes says, and no larger [W-HTTP-1]', async () => {
    await startWith({ maxBodyBytes: 1000 });
    expect((await raw('register', registration(1000))).status).toBe(200);
    for (const bytes of [1001, 5000]) {
      expect(await raw('register', registration(bytes))).toMatchObject({
        status: 413,
        json: { error: 'request body is larger than 1000 bytes' },
      });
    }
  });

  it('a maxBodyBytes above the default lets larger bodies in', async () => {
    await startWith({ maxBodyBytes: 18 * 1024 * 1024 });
    // It has been read as a whole where its schema is compared.
    expect((await raw('pull', pull(17 * 1024 * 1024))).status).toBe(409);
  });

  it('a client has an id of 1 to 255 characters [W-CLI-2]', async () => {
    await startWith({});
    for (const id of ['', null, undefined]) {
      expect(await register(id)).toMatchObject({ status: 400, json: { error: 'client_id is required' } });
    }
    expect((await register('x'.repeat(256))).status).toBe(400);
    expect((await register('x'.repeat(255))).status).toBe(200);
    expect((await register('\u{10FFFF}'.repeat(127))).status).toBe(200);
    expect(await database.query(`SELECT FROM sync_clients WHERE client_id = ''`)).toEqual([]);
  });
});

const IDS = { client_id: randomUUID(), schema_version: 0, schema_hash: '' };

/** One of exactly this many bytes. */
function registration(bytes: number): string {
  return padded(IDS, bytes);
}

/** The same, of a schema that is not the server's. */
function pull(bytes: number): string {
  return padded({ ...IDS, checkpoint: 0, tables: null, limit: 10 }, bytes);
}

function padded(body: object, bytes: number): string {
  const json = JSON.stringify({ ...body, x: '' });
  return json.replace('"x":""', `"x":"${'x'.repeat(bytes - json.length)}"`);
}

function register(id: unknown): Promise<WireAnswer> {
  return raw('register', JSON.stringify({ client_id: id, schema_version: 0, schema_hash: '' }));
}

it('a batch beyond maxPushChanges gets through all the same, in the next pushes [W-PUSH-21]', async () => {
  app = await startApp({ database });
  const device = new Device(app.url, `user-${randomUUID()}`, randomUUID(), { pageSize: 2_500 });
  await consumed(database);
  await device.start();
  for (let n = 0; n < 2_500; n++) device.create('tasks', { user_id: device.userId, title: `task ${n}` });

  const first = await device.sync().catch((error: unknown) => error);
  if (!(first instanceof RetryableRejectionError)) throw first;
  expect(first.response.accepted).toHaveLength(2_000);
  expect(first.response.rejected).toHaveLength(500);
  expect(new Set(first.response.rejected.map((result) => result.reason_code))).toEqual(
    new Set(['too_many_changes']),
  );

  await device.sync();
  const [rows] = await database.query(
    'SELECT count(*)::int AS all, count(DISTINCT title)::int AS distinct FROM tasks WHERE user_id = $1',
    [device.userId],
  );
  expect(rows).toEqual({ all: 2_500, distinct: 2_500 });
  expect(device.rows('tasks').size).toBe(2_500);
});
