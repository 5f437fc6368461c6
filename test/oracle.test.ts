import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../sample-app/postgres/server.js';
import { KINDS, weighted, type Operation } from './oracle/operation.js';
import { perform } from './oracle/perform.js';
import type { Violation } from './oracle/violation.js';
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

/** What happens in one run. */
interface Story {
  readonly operations: readonly Operation[];
  /** Answers are cut by their bytes, too. */
  readonly isTight: boolean;
}

/** How often what has to be tried was tried, over all runs. */
const paths = new Map<string, number>();

async function violations({ operations, isTight }: Story): Promise<readonly string[]> {
  const database = await createDatabase(server.url);
  try {
    await World.prepare(database);
    await World.populate(database, USERS);
    const { url: databaseUrl, slotName, publicationName } = database;
    const app = await startApp({
      database,
      module: WorldModule.forRoot({
        databaseUrl,
        slotName,
        publicationName,
        ...(isTight && { maxPageBytes: 700 }),
      }),
    });
    try {
      const options = { urls: [app.url], users: USERS, seed: SEED, slack: 20, patience: 30_000 };
      const world = new World(database, options);
      await world.open();
      const half = operations.length >> 1;
      const found: Violation[] = [];
      // It comes to rest in between: what is lost before may be repaired by what comes after.
      for (const part of [operations.slice(0, half), operations.slice(half)]) {
        for (const one of part) await perform(world, one);
        found.push(...(await world.settle()));
        if (found.length > 0) break;
      }
      for (const [path, times] of world.counts) paths.set(path, (paths.get(path) ?? 0) + times);
      for (const [path, times] of world.watch.paths()) paths.set(path, (paths.get(path) ?? 0) + times);
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
  let last: readonly string[] = [];
  let runs = 0;
  const story = fc.record({
    operations: fc.array(operation, { minLength: Math.floor(LENGTH / 2), maxLength: LENGTH, size: 'max' }),
    isTight: fc.boolean(),
  });
  const check = fc.asyncProperty(story, async (one) => {
    runs++;
    last = await violations(one);
    expect(last).toEqual([]);
  });
  const outcome = await fc.check(check, {
    seed: SEED,
    numRuns: RUNS,
    endOnFailure: process.env['ORACLE_SHRINK'] === 'no',
    interruptAfterTimeLimit: 600_000,
  });
  if (outcome.failed)
    throw new Error(
      `${last[0] ?? String(outcome.errorInstance)}\nafter ${runs} runs\n${await fc.asyncDefaultReportMessage(outcome)}`,
      {
        cause: outcome.errorInstance,
      },
    );
  console.info(Object.fromEntries([...paths].toSorted(([a], [b]) => (a < b ? -1 : 1))));
  expect(tooThin(outcome.numRuns)).toEqual([]);
}, 900_000);

/** What was hardly tried, so that it says nothing that all went well. */
function tooThin(runs: number): readonly string[] {
  // Of a few runs nothing can be asked.
  if (runs < 20) return [];
  return Object.entries(LEAST)
    .filter(([path, least]) => (paths.get(path) ?? 0) < (least * runs) / 25)
    .map(([path, least]) => `${path}: ${paths.get(path) ?? 0} of ${least}`);
}

const LEAST: Readonly<Record<string, number>> = {
  parked: 20,
  released: 10,
  moved: 50,
  truncate: 10,
  restore: 15,
  cutPage: 100,
  deleteTold: 100,
  conflict: 5,
  refused: 20,
  resubscribed: 20,
};
