import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { RequestFuzzer } from './fuzz/request-fuzzer.js';
import { startApp, type RunningApp } from './support/app.js';
import { createDatabase, type TestDatabase } from './support/database.js';

const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 1_500);
const SEED = Number(process.env['FUZZ_SEED'] ?? 5);
/** On the pool of ten that TypeORM makes, one for replication, and the tests' own four. */
const CONNECTIONS = 10 + 4;

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
      await fuzzer.run(REQUESTS / 3);
      await fuzzer.run(REQUESTS / 3);
      await fuzzer.run(REQUESTS / 3);
      console.log(JSON.stringify(fuzzer.summary(), null, 1));
    },
  );
});

/** Of this process, which the app is in, after a collection. */
function usedHeap(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') collect();
  return process.memoryUsage().heapUsed;
}
