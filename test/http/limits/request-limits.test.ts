import { randomBytes, randomUUID } from 'node:crypto';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from '../../../lib/settings/synchro.settings.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { consumed } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { send, toJson, type PushResponse, type WireAnswer } from '../../support/wire.js';

let database: TestDatabase;
let app: RunningApp;
let phone: Device;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database, synchro: { logQueries: true } });
  await consumed(database);
  phone = new Device(app.url, 'alice');
  await phone.start();
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

async function bodyWith(members: string): Promise<string> {
  const head = toJson({ client_id: phone.clientId, ...(await phone.schemaIds()) });
  return `${head.slice(0, -1)},${members}}`;
}

const post = async (path: string, members: string): Promise<WireAnswer> =>
  phone.send(path, await bodyWith(members));

function create(data: string): string {
  const id = randomUUID();
  return `{"id":"${id}","table_name":"tasks","operation":"create","data":{"user_id":"alice","title":"t",${data}}}`;
}

async function verdictOn(data: string): Promise<{ readonly status: string; readonly reason_code?: string }> {
  const { json } = await post('push', `"changes":[${create(data)}]`);
  const { accepted, rejected } = json as unknown as PushResponse;
  const [verdict] = [...accepted, ...rejected];
  if (!verdict) throw new Error(`no verdict in ${toJson(json)}`);
  return verdict;
}

const deep = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;

const REFUSED = { status: 'rejected_terminal', reason_code: 'invalid_data' };

describe('a request as a whole is refused [W-LOAD-2]', () => {
  it.each([
    [
      'eight million changes',
      'push',
      `"changes":[${'0,'.repeat(8_000_000 - 1)}0]`,
      'the request body has more than',
    ],
    [
      'changes beyond the limit',
      'push',
      `"changes":[${'0,'.repeat(10_000)}0]`,
      'changes has more than 10000 entries',
    ],
    [
      'numbers without end',
      'push',
      `"changes":[{"data":[${'5.00,'.repeat(3_000_000)}0]}]`,
      'the request body has more',
    ],
    [
      'empty objects without end',
      'pull',
      `"tables":[${'{},'.repeat(1_500_000)}{}]`,
      'the request body has more than',
    ],
    [
      'buckets without end',
      'pull',
      `"known_buckets":[${'"",'.repeat(4_000_000)}""]`,
      'the request body has more than',
    ],
    [
      'buckets beyond the limit',
      'pull',
      `"known_buckets":[${'"a",'.repeat(100_000)}"a"]`,
      'known_buckets has more',
    ],
    [
      'tables beyond the limit',
      'pull',
      `"tables":[${'"a",'.repeat(100_000)}"a"]`,
      'tables has more than 100000',
    ],
    ['brackets without end', 'push', `"changes":${'['.repeat(2_000)}`, 'invalid request body'],
  ])('for %s, soon', async (_, path, members, error) => {
    const before = process.cpuUsage();
    const answer = await post(path, members);
    const { user } = process.cpuUsage(before);
    expect(answer).toMatchObject({ status: 400, json: { error: expect.stringContaining(error) } });
    // What was accepted took 4.5 to 17 seconds; the client's own work is in this, too.
    expect(user / 1e6).toBeLessThan(2);
  });

  it.each([
    ['register', 'client_name', 1_000_000],
    ['register', 'client_name', 1_025],
    ['register', 'platform', 257],
    ['register', 'app_version', 257],
    ['pull', 'schema_hash', 257],
  ])('of %s, for a %s of %d bytes', async (path, name, length) => {
    const text = randomBytes(length).toString('base64').slice(0, length);
    expect(await post(path, `"${name}":"${text}"`)).toMatchObject({ status: 400 });
  });

  it('for texts of the lists and of the cursor, and for a header', async () => {
    expect((await post('pull', `"tables":["${'x'.repeat(257)}"]`)).status).toBe(400);
    expect((await post('pull', `"known_buckets":["${'x'.repeat(4_097)}"]`)).status).toBe(400);
    expect(
      (await post('snapshot', `"cursor":{"checkpoint":1,"after_id":"${'x'.repeat(16_385)}"}`)).status,
    ).toBe(400);
    const gated = await startApp({ database, synchro: { replication: false, minClientVersion: '1.0.0' } });
    try {
      const headers = { 'X-User-ID': 'alice', 'X-App-Version': `1.${'0'.repeat(8_000)}` };
      const answer = await send(`${gated.url}/sync/pull`, { body: {}, headers });
      expect(answer.status).toBe(400);
      expect(answer.text.length).toBeLessThan(400);
    } finally {
      await gated.close();
    }
  });

  it('but not for as many changes as are allowed, nor for a name of 1,024 bytes', async () => {
    const { status, json } = await post('push', `"changes":[${'0,'.repeat(9_999)}0]`);
    expect(status).toBe(200);
    expect((json as unknown as PushResponse).rejected).toHaveLength(10_000);
    expect((await post('register', `"client_name":"${'x'.repeat(1_024)}"`)).status).toBe(200);
  });
});

describe('a change is refused alone [W-LOAD-3]', () => {
  it.each([
    ['a document of 2,000 levels as text', `"metadata":"${deep(2_000)}"`],
    ['a document of 101 levels as text', `"metadata":"${deep(101)}"`],
    [
      'objects of 600 levels as text',
      `"metadata":${JSON.stringify(`${'{"a":'.repeat(600)}1${'}'.repeat(600)}`)}`,
    ],
    ['an array of 2,000 levels as text', `"labels":"${deep(2_000)}"`],
    ['a number of 80,000 digits', `"priority":1${'0'.repeat(80_000)}1`],
    ['a number of 80,000 digits where there is no column for it', `"estimate":0.${'0'.repeat(80_000)}1`],
    ['an exponent that no double has', '"metadata":{"a":1e400000}'],
    ['such an exponent within a text', String.raw`"metadata":"{\"a\":[1e-400000]}"`],
    ['many exponents', `"metadata":[${'1e300,'.repeat(1_000)}0]`],
    ['many exponents within a text', `"metadata":"[${'1E+300,'.repeat(1_000)}0]"`],
    ['many small exponents', `"metadata":[${'1e-300,'.repeat(1_000)}0]`],
    ['many exponents of two digits', `"metadata":[${'1e99,'.repeat(1_000)}0]`],
  ])('for %s', async (_, data) => {
    expect(await verdictOn(data)).toMatchObject(REFUSED);
  });

  it('soon, for an exponent of zeros that ends in a letter', async () => {
    const before = process.cpuUsage();
    await verdictOn(`"estimate":"1e${'0'.repeat(400_000)}x"`);
    expect(process.cpuUsage(before).user / 1e6).toBeLessThan(1);
  });

  it.each([
    ['a document of 100 levels as text', `"metadata":"${deep(100)}"`],
    ['prose with brackets', `"metadata":"${'[ see there '.repeat(500)}"`],
    ['prose with exponents', `"metadata":"${'about 1e300 of them '.repeat(500)}"`],
    ['the smallest double', '"metadata":{"smallest":5e-324,"largest":1.7976931348623157e308}'],
    ['a list of small doubles', `"metadata":[${'1.2345678e-7,'.repeat(5_000)}0]`],
    ['exponents within the strings of a document', `"metadata":{"note":"${'1e300 '.repeat(1_000)}"}`],
  ])('but not for %s', async (_, data) => {
    expect(await verdictOn(data)).toMatchObject({ status: 'applied' });
  });

  it('for an id that fits into no index', async () => {
    const change = create('"priority":1').replace(/"id":"[^"]+"/, `"id":"${'x'.repeat(2_000)}"`);
    const { json } = await post('push', `"changes":[${change}]`);
    expect(json).toMatchObject({ rejected: [REFUSED] });
  });
});

it('what PostgreSQL writes out is bounded by what was sent [W-LOAD-4]', async () => {
  const document = JSON.stringify(`[${Array.from({ length: 600 }, (_, n) => `${n}e1${n % 10}`).join()}]`);
  const changes = Array.from({ length: 50 }, () => create(`"metadata":${document}`)).join();
  const body = `"changes":[${changes}]`;
  await post('push', body);
  const [row] = await database.query('SELECT sum(length(metadata::text))::int AS size FROM tasks');
  expect(row).toEqual({ size: expect.any(Number) });
  expect((row as { readonly size: number }).size).toBeLessThan(5 * body.length + 50 * 4_096);
});

it('a filter by tables that nobody knows does not read the log [W-LOAD-5]', async () => {
  phone.create('tasks', { user_id: 'alice', title: 'in the log' });
  await phone.sync();
  await consumed(database);
  const statements: string[] = [];
  const { logger } = app.app.get(DataSource);
  const logQuery = logger.logQuery.bind(logger);
  logger.logQuery = (sql) => void statements.push(sql);
  try {
    const answer = await post('pull', '"checkpoint":1,"limit":1000,"tables":["nope","neither"]');
    expect(answer).toMatchObject({
      status: 200,
      json: { changes: [], deletes: [], has_more: false, checkpoint: 1 },
    });
    expect(statements.filter((sql) => sql.includes('entry AS MATERIALIZED'))).toEqual([]);
    await post('pull', '"checkpoint":1,"limit":1000,"tables":["nope","tasks"]');
    expect(statements.filter((sql) => sql.includes('entry AS MATERIALIZED'))).toHaveLength(1);
  } finally {
    logger.logQuery = logQuery;
  }
});

it.each([
  [{ nesting: 401 }, 'limits.nesting is 401'],
  [{ nesting: 9 }, 'limits.nesting is 9'],
  [{ changes: 100 }, 'limits.changes is 100'],
  [{ bodyMemory: 1 }, 'limits.bodyMemory is 1'],
  [{ bodyValues: 0 }, 'limits.bodyValues is 0'],
  [{ listEntries: Number.NaN }, 'limits.listEntries is NaN'],
  [{ bodyTimeout: 0 }, 'limits.bodyTimeout is 0'],
])('the limits %j stop the start', (limits, message) => {
  expect(() => readSettings({ limits })).toThrow(message);
});

it('limits can be moved, and hold on Fastify too', async () => {
  const limits = { nesting: 10, bodyValues: 60, listEntries: 2, changes: 3 };
  const synchro = { replication: false, maxPushChanges: 3, limits } as const;
  const moved = await startApp({ database, adapter: new FastifyAdapter(), synchro });
  try {
    const headers = { 'X-User-ID': 'alice' };
    const error = async (path: string, members: string): Promise<unknown> =>
      (await send(`${moved.url}/sync/${path}`, { body: await bodyWith(members), headers })).json;
    expect(await error('push', '"changes":[0,0,0,0]')).toEqual({ error: 'changes has more than 3 entries' });
    expect(await error('pull', '"tables":["a","b","c"]')).toEqual({
      error: 'tables has more than 2 entries',
    });
    expect(await error('push', `"x":[${'0,'.repeat(60)}0]`)).toEqual({
      error: 'the request body has more than 60 values',
    });
    expect(await error('push', `"x":${'['.repeat(11)}`)).toEqual({ error: 'invalid request body' });
  } finally {
    await moved.close();
  }
});
