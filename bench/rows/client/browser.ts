import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import type { BenchRow, Comparison } from '../../bench-row.js';
import { openBrowser, openPage } from '../../environment/browser.js';
import type { Environment } from '../../environment/environment.js';
import { median, quantile } from '../../run/statistics.js';

/** Edits of one round, one after the other. */
const WRITES = 100;
const PULLED = 1_000;
const SUBSCRIBERS = 10;
/** Commits of one round, and how many milliseconds lie between them. */
const COMMITS = 40;
const GAP = 50;

/** The TypeScript client in a browser, on IndexedDB. */
const indexedDb: BenchRow = {
  name: 'client-indexeddb',
  lines: [
    {
      name: 'client-indexeddb-first-sync',
      work: 'the TypeScript client: first sync of 100,000 rows (quick: 20,000) into IndexedDB, over HTTP',
      baseline: 'bare puts of the same rows, 1,000 a transaction, no network',
      unit: 'rows/s',
      target: 0.7,
    },
    {
      name: 'client-indexeddb-start',
      work: 'start with those rows until the first table is in memory',
      baseline: 'a bare getAll of them',
      unit: 'ms',
      target: 0.77,
    },
    {
      name: 'client-indexeddb-write',
      work: 'an edit until it is durable',
      baseline: 'a bare transaction of two puts',
      unit: 'ms',
      target: 0.5,
    },
  ],
  rounds: { warmUps: 1, counted: 3 },
  prepare: prepareIndexedDb,
};

const pull: BenchRow = {
  name: 'client-pull',
  lines: [
    {
      name: 'client-pull-1000',
      work: `CPU time of a page's main thread for a poke, a pull of 1,000 changes and the notification of ${SUBSCRIBERS} subscribers`,
      baseline: '25 ms',
      unit: 'ms',
      target: 1,
    },
    {
      name: 'client-pull-notified',
      work: 'notifications of each subscriber for those pages',
      baseline: 'as many as pages',
      unit: 'ms',
      target: 1,
    },
  ],
  prepare: preparePull,
};

const seen: BenchRow = {
  name: 'client-seen',
  lines: (['p50', 'p99'] as const).map((share) => ({
    name: `client-seen-${share}`,
    work: `SQL commit → a subscriber in a browser sees the row, ${share}`,
    baseline: share === 'p50' ? 'the source commit itself, and 10 ms' : 'the source commit itself, and 30 ms',
    unit: 'ms',
    target: 1,
  })),
  prepare: prepareSeen,
};

export const clientBrowser: readonly BenchRow[] = [indexedDb, pull, seen];

interface Figures {
  readonly firstSync: number;
  readonly start: number;
  readonly writes: readonly number[];
}

async function prepareIndexedDb(environment: Environment): Promise<Comparison> {
  const rows = environment.size(100_000, 20_000);
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${rows}, 1)`);
  const app = await environment.app(database);
  await app.call('caughtUp');
  await database.query('VACUUM ANALYZE');
  const browser = await openBrowser();
  let page: Page | undefined;
  let stored = 0;
  const values = ({ firstSync, start, writes }: Figures): readonly number[] => [
    rows / (firstSync / 1_000),
    start,
    median(writes),
  ];
  return {
    subject: async () => {
      await page?.context().close();
      const opened = await openPage(browser, app.url);
      page = opened;
      let figures: (Figures & { rows: number }) | undefined;
      const { usage } = await environment.timed(app, async () => {
        figures = await opened.evaluate(`bench.client('mine', ${WRITES})`);
      });
      if (!figures) throw new Error('the page has measured nothing');
      stored = figures.rows;
      return { values: values(figures), usage };
    },
    baseline: async () => {
      let figures: Figures | undefined;
      const { usage } = await environment.timed(app, async () => {
        figures = await page?.evaluate(`bench.bare('mine', 'bare', ${WRITES})`);
      });
      if (!figures) throw new Error('the page has measured nothing');
      return { values: values(figures), usage };
    },
    verify: async () => {
      await browser.close();
      if (stored !== rows) throw new Error(`the browser has ${stored} of ${rows} rows`);
    },
  };
}

async function preparePull(environment: Environment): Promise<Comparison> {
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${PULLED}, 1)`);
  const app = await environment.app(database);
  await app.call('caughtUp');
  const browser = await openBrowser();
  const page = await openPage(browser, app.url);
  const debug = await page.context().newCDPSession(page);
  await debug.send('Performance.enable', { timeDomain: 'threadTicks' });
  /** Milliseconds of the main thread so far. */
  const busy = async (): Promise<number> => {
    const { metrics } = await debug.send('Performance.getMetrics');
    return (metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1_000;
  };
  await page.evaluate(
    `bench.subscribers('pulled', ${SUBSCRIBERS}).then((made) => { globalThis.made = made; })`,
  );
  let total = 0;
  return {
    subject: async () => {
      await page.evaluate('made.read()');
      const before = await busy();
      const { usage } = await environment.timed(app, async () => {
        const told = page.evaluate('made.next()');
        await database.query(`UPDATE tasks SET done = NOT done, updated_at = clock_timestamp()`);
        await told;
        // For notifications that are too many.
        await sleep(100);
      });
      const used = (await busy()) - before;
      const notified = await page.evaluate<number>('made.read()');
      total += notified;
      return { values: [used, notified], usage };
    },
    baseline: async () => ({
      values: [25, 1],
      usage: { node: 0, backends: 0, walsender: 0, load: 0, peakMb: 0 },
    }),
    verify: async () => {
      await browser.close();
      if (total === 0) throw new Error('no subscriber was notified');
    },
  };
}

async function prepareSeen(environment: Environment): Promise<Comparison> {
  const database = await environment.database();
  await database.query('SELECT add_tasks(1, 100, 1)');
  const app = await environment.app(database);
  await app.call('caughtUp');
  const browser = await openBrowser();
  const page = await openPage(browser, app.url);
  const arrived = new Map<string, number>();
  await page.exposeFunction('seen', (title: string) => void arrived.set(title, performance.now()));
  await page.evaluate(`bench.watch('watched', (title) => seen(title))`);
  let round = 0;

  /** @param isSeen waits until the page has each row */
  const commit = async (isSeen: boolean): Promise<readonly number[]> => {
    round += 1;
    const times: number[] = [];
    for (let n = 0; n < COMMITS; n++) {
      const title = `round ${round} commit ${n}`;
      const began = performance.now();
      await database.query(
        `UPDATE tasks SET title = '${title}', updated_at = clock_timestamp()
          WHERE id = (SELECT id FROM tasks ORDER BY id OFFSET ${n} LIMIT 1)`,
      );
      const committed = performance.now();
      if (isSeen) {
        const until = committed + 10_000;
        while (!arrived.has(title) && performance.now() < until) await sleep(1);
        times.push((arrived.get(title) ?? Number.NaN) - committed);
      } else times.push(committed - began);
      await sleep(GAP);
    }
    return times;
  };

  return {
    subject: async () => {
      let times: readonly number[] = [];
      const { usage } = await environment.timed(app, async () => {
        times = await commit(true);
      });
      return { values: both(times), usage };
    },
    baseline: async () => {
      let times: readonly number[] = [];
      const { usage } = await environment.timed(app, async () => {
        times = await commit(false);
      });
      const [p50 = 0, p99 = 0] = both(times);
      return { values: [p50 + 10, p99 + 30], usage };
    },
    verify: async () => {
      await browser.close();
      if (arrived.size < COMMITS) throw new Error(`the page has seen ${arrived.size} rows`);
    },
  };
}

function both(times: readonly number[]): readonly number[] {
  return [quantile(times, 0.5), quantile(times, 0.99)];
}
