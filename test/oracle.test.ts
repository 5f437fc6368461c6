import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../sample-app/postgres/server.js';
import { KINDS, weighted, type Operation } from './oracle/operation.js';
import { perform } from './oracle/perform.js';
import { World } from './oracle/world.js';
import { WorldModule } from './oracle/world/world.module.js';
import { startApp } from './support/app.js';
import { createDatabase } from './support/database.js';
import { join } from 'node:path';
import { testRun } from './support/run.js';

const RUNS = Number(process.env['ORACLE_RUNS'] ?? 25);
const SEED = Number(process.env['ORACLE_SEED'] ?? 20261122);
const LENGTH = Number(process.env['ORACLE_LENGTH'] ?? 80);

const USERS = ['alice', 'bob', 'carol'];

const operation: fc.Arbitrary<Operation> = fc.record(
  {
    kind: fc.constantFrom(...weighted(KINDS)),
    a: fc.nat(1_000),
    b: fc.nat(1_000),
    c: fc.nat(1_000),
    meanwhile: fc.boolean(),
  },
  { noNullPrototype: true },
);

let server: PostgresServer;

// The moment of a commit has to be known, which a server notes only when it is told to at its start.
beforeAll(async () => {
  server = await startPostgres({
    dataDir: join(testRun().folder, 'oracle'),
    durable: false,
    settings: { track_commit_timestamp: 'on', max_connections: '200' },
  });
});
afterAll(() => server.destroySync());

async function violations(operations: readonly Operation[]): Promise<readonly string[]> {
  const database = await createDatabase(server.url);
  try {
    await World.prepare(database);
    await World.populate(database, USERS);
    const { url: databaseUrl, slotName, publicationName } = database;
    const app = await startApp({
      database,
      module: WorldModule.forRoot({ databaseUrl, slotName, publicationName }),
    });
    try {
      const options = { urls: [app.url], users: USERS, seed: SEED, slack: 20, patience: 30_000 };
      const world = new World(database, options);
      await world.open();
      for (const one of operations) {
        await perform(world, one);
      }
      const found = await world.settle();
      return found
        .map((one) => `${one.rule} ${one.table} ${one.id}: ${one.what}\n${world.watch.story(one)}`)
        .slice(0, 5);
    } finally {
      await app.close();
    }
  } finally {
    await database.drop();
  }
}

it('whatever people, devices and the host do, nothing is lost, nothing is leaked, and all converge', async () => {
  console.info(`ORACLE_SEED=${SEED} ORACLE_RUNS=${RUNS} ORACLE_LENGTH=${LENGTH}`);
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: 1, maxLength: LENGTH, size: 'max' }),
      async (operations) => {
        expect(await violations(operations)).toEqual([]);
      },
    ),
    {
      seed: SEED,
      numRuns: RUNS,
      endOnFailure: process.env['ORACLE_SHRINK'] === 'no',
      interruptAfterTimeLimit: 600_000,
    },
  );
}, 900_000);
