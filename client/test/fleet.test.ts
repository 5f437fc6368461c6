import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { CLIENT_KINDS, KINDS, weighted } from '../../test/oracle/operation.js';
import { perform } from '../../test/oracle/perform.js';
import type { Violation } from '../../test/oracle/violation.js';
import { World } from '../../test/oracle/world.js';
import { WorldModule } from '../../test/oracle/world/world.module.js';
import { startApp } from '../../test/support/app.js';
import { createDatabase, STEADY_SETTINGS } from '../../test/support/database.js';
import { Random } from '../../test/support/random.js';
import { testRun } from '../../test/support/run.js';
import { memoryStore } from '../src/index.js';
import { ClientFleet, nodeHomes } from './fleet/fleet.js';
import { STORES } from './support/stores.js';

const SEED = Number(process.env['FLEET_SEED'] ?? 1);
const RUNS = Number(process.env['FLEET_RUNS'] ?? 2);
const LENGTH = Number(process.env['FLEET_LENGTH'] ?? 100);
const USERS = ['alice', 'bob', 'carol'];
/** The client's own troubles come as often as all others together. */
const MIX = [...weighted(KINDS), ...weighted(CLIENT_KINDS), ...weighted(CLIENT_KINDS)];

let server: PostgresServer;
// The moment of a commit has to be known, which a server notes only when it is told to at its start.
beforeAll(async () => {
  server = await startPostgres({
    dataDir: join(testRun().folder, 'fleet'),
    durable: false,
    settings: { track_commit_timestamp: 'on', max_connections: '200' },
  });
});
afterAll(() => server.destroySync());

async function violations(seed: number): Promise<readonly string[]> {
  const random = new Random(seed);
  const database = await createDatabase(server.url, 'UTF8', STEADY_SETTINGS);
  try {
    await World.prepare(database);
    await World.populate(database, USERS);
    const { url: databaseUrl, slotName, publicationName } = database;
    const module = WorldModule.forRoot({ databaseUrl, slotName, publicationName });
    const app = await startApp({ database, module });
    const world = new World(database, { urls: [app.url], users: USERS, seed, slack: 20, devicesEach: 1 });
    const sqlite = STORES.find(({ name }) => name === 'better-sqlite3');
    const fleet = await ClientFleet.join(
      world,
      nodeHomes(
        [app.url],
        [
          { user: 'alice', store: memoryStore(), tabs: 2 },
          { user: 'bob', store: (await sqlite?.make()) ?? memoryStore(), tabs: 1 },
          { user: 'alice', store: memoryStore(), tabs: 1 },
        ],
      ),
    );
    try {
      await world.open();
      const found: Violation[] = [];
      for (let n = 0; n < LENGTH && found.length === 0; n++) {
        const below = (): number => random.below(1_000);
        const meanwhile = random.below(2) === 0;
        await perform(world, { kind: random.pick(MIX), a: below(), b: below(), c: below(), meanwhile });
        // It comes to rest in between: what is lost before may be repaired by what comes after.
        if (n === LENGTH >> 1 || n === LENGTH - 1) found.push(...(await world.settle()));
      }
      if (found.length > 0) console.info(await fleet.describe());
      const counts = [...world.counts].filter(([what]) => /^(client|typed)/.test(what));
      console.info(`FLEET_SEED=${seed} FLEET_LENGTH=${LENGTH}`, Object.fromEntries(counts));
      return found
        .slice(0, 5)
        .map(
          (one) =>
            `${one.rule} ${one.table} ${one.id}: ${one.what}\n${world.watch.story(one).slice(0, 3_000)}`,
        );
    } finally {
      await fleet.close();
      await app.close();
    }
  } finally {
    await database.drop();
  }
}

describe('devices of this client in the oracle’s world', () => {
  it.each(Array.from({ length: RUNS }, (_, n) => SEED + n))(
    'lose nothing, leak nothing and converge, whatever becomes of them (seed %i)',
    async (seed) => {
      expect(await violations(seed)).toEqual([]);
    },
    300_000,
  );
});
