import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Soak } from '../../../test/soak/soak.js';
import { summaryOf } from '../../../test/soak/summary.js';
import { memoryStore, type Store } from '../../src/index.js';
import { BrowserHome } from '../fleet/browser-home.js';
import { ClientFleet, nodeHomes } from '../fleet/fleet.js';
import { Ledger } from '../fleet/ledger.js';
import { Weather } from '../fleet/weather.js';
import { pageScript, startBrowser } from '../support/browser.js';
import { STORES } from '../support/stores.js';

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 20);
const WORLD = process.env['SOAK_WORLD'] === 'odd' ? 'odd' : 'plain';
const SEED = Number(process.env['SOAK_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

let soak: Soak;
let browser: Browser;

beforeAll(async () => {
  process.stdout.write(`SOAK_SEED=${SEED} SOAK_MINUTES=${MINUTES} SOAK_WORLD=${WORLD}\n`);
  browser = await startBrowser();
  const script = await pageScript();
  const sqlite = await sqliteStore();
  soak = await Soak.start({
    seed: SEED,
    minutes: MINUTES,
    world: WORLD,
    report: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
    fleet: (world, urls) =>
      ClientFleet.join(world, [
        ...nodeHomes(urls, [
          { user: 'alice', store: memoryStore(), tabs: 2 },
          { user: 'bob', store: sqlite, tabs: 1 },
          { user: 'carol', store: memoryStore(), tabs: 1 },
        ]),
        ...['alice', 'dora'].map(
          (user, n) =>
            new BrowserHome({
              browser,
              script,
              user,
              name: `browser of ${user}`,
              url: urls[n % urls.length] ?? '',
              tabs: 3 - n,
              weather: new Weather(0),
              ledger: new Ledger(user),
            }),
        ),
      ]),
  });
});
afterAll(async () => {
  await soak?.close();
  await browser?.close();
});

async function sqliteStore(): Promise<Store> {
  const kind = STORES.find(({ name }) => name === 'better-sqlite3');
  if (!kind) throw new Error(`no SQLite in ${join(import.meta.dirname, '../support/stores.ts')}`);
  return kind.make();
}

it('nothing that was typed on this client’s devices is lost, nothing leaks, and all converge', async () => {
  const violations = await soak.run();
  process.stdout.write(`${summaryOf(soak, SEED, MINUTES, violations.length)}\n`);
  expect(violations).toEqual([]);
});
