import { createHmac } from 'node:crypto';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BODY_CATEGORIES } from '../fuzz/body-categories.js';
import { ENDPOINTS } from '../fuzz/draft.js';
import { HTTP_CATEGORIES } from '../fuzz/http-categories.js';
import { RequestFuzzer } from '../fuzz/request-fuzzer.js';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { usedHeap } from '../support/used-heap.js';

const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 1_000);
const PARTS = 3;
const SEED = Number(process.env['FUZZ_SEED'] ?? 5);
/** On the pool of ten that TypeORM makes, one for replication, and the tests' own four. */
const CONNECTIONS = 10 + 4;

const SECRET = 'a secret of thirty-two characters';
const CATEGORIES = Object.keys({ ...BODY_CATEGORIES, ...HTTP_CATEGORIES });
/** Some that only requests reach that get deep. */
const VERDICTS = [
  'applied',
  'already_deleted',
  'invalid_data',
  'invalid_operation',
  'ownership_violation',
  'parent_missing',
  'record_deleted',
  'record_not_found',
  'table_not_registered',
  'table_read_only',
];

describe.each([
  ['Express', undefined],
  ['Fastify', new FastifyAdapter()],
])('whatever is sent to %s', (_, adapter) => {
  let database: TestDatabase;
  let app: RunningApp;
  let fuzzer: RequestFuzzer;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database, ...(adapter && { adapter }) });
    fuzzer = new RequestFuzzer({
      seed: SEED,
      url: () => app.url,
      database,
      memory: usedHeap,
      connections: CONNECTIONS,
    });
    await fuzzer.start();
  });
  afterAll(async () => {
    fuzzer.close();
    await app.close();
    await database.drop();
  });

  it(
    `is answered by the contract, in time, and costs nobody else anything (seed ${SEED})`,
    { timeout: 300_000 + REQUESTS * 100 },
    async () => {
      for (let part = 0; part < PARTS; part++) await fuzzer.run(Math.ceil(REQUESTS / PARTS));
    },
  );

  it('and each kind was sent, and reached what it is for', () => {
    const { categories, answers, verdicts, sent } = fuzzer.summary();
    expect(sent).toBeGreaterThanOrEqual(REQUESTS);
    expect(CATEGORIES.filter((name) => !((categories[name] ?? 0) > 0))).toEqual([]);
    const seen = (endpoint: string, status: RegExp): boolean =>
      Object.keys(answers).some((key) => key.startsWith(`${endpoint} `) && status.test(key));
    for (const endpoint of ENDPOINTS) {
      expect([endpoint, seen(endpoint, / 200$/), seen(endpoint, / 4\d\d$/)]).toEqual([endpoint, true, true]);
    }
    expect(Object.keys(verdicts)).toEqual(expect.arrayContaining(VERDICTS));
  });
});

describe('an app that asks for bearer tokens', () => {
  it('takes no other ones', { timeout: 300_000 }, async () => {
    const database = await createDatabase();
    const app = await startApp({ database, jwtSecret: SECRET });
    const fuzzer = new RequestFuzzer({
      seed: SEED,
      url: () => app.url,
      database,
      identify: (user) => ({ Authorization: `Bearer ${tokenOf(user)}` }),
      tokens: true,
    });
    try {
      await fuzzer.start();
      await fuzzer.run(Math.ceil(REQUESTS / 5));
      const { categories } = fuzzer.summary();
      expect(categories['tokens']).toBeGreaterThan(0);
    } finally {
      fuzzer.close();
      await app.close();
      await database.drop();
    }
  });
});

/** Signed with HS256. */
function tokenOf(user: string): string {
  const parts = [{ alg: 'HS256', typ: 'JWT' }, { sub: user }];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${createHmac('sha256', SECRET).update(text).digest('base64url')}`;
}
