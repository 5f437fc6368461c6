import type { BenchRow, Comparison, Round } from '../bench-row.js';
import { BenchDevice } from '../environment/device.js';
import { handWrittenPages } from '../environment/hand-written-pages.js';
import { HttpLoad } from '../environment/http-load.js';
import { recordsOf } from '../environment/records.js';
import type { Environment } from '../environment/environment.js';

/** A new device of a user who has much. */
export const snapshotAll: BenchRow = {
  name: 'snapshot-all',
  lines: [
    {
      name: 'snapshot-all',
      work: 'snapshot of 100,000 rows (quick: 20,000) in pages of 1,000, over HTTP',
      baseline: 'COPY (SELECT row_to_json(…)) TO STDOUT of the same rows, unordered, no HTTP',
      unit: 'rows/s',
      target: 0.3,
    },
  ],
  rounds: { warmUps: 1, counted: 5 },
  prepare,
};

/** The same against what a team would write by hand: pages in the order of the key. */
export const firstSync: BenchRow = {
  name: 'first-sync',
  lines: [
    {
      name: 'first-sync',
      work: 'first sync of 20,000 rows in pages of 1,000, over HTTP',
      baseline: 'a hand-written controller with TypeORM: pages of `find`',
      unit: 'rows/s',
      target: 2,
    },
  ],
  prepare: prepareFirstSync,
};

const FIRST_ROWS = 20_000;
const PAGE = 1_000;

async function prepareFirstSync(environment: Environment): Promise<Comparison> {
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${FIRST_ROWS}, 1)`);
  const app = await environment.app(database);
  await database.query('VACUUM ANALYZE');
  const load = new HttpLoad(app.url);

  const sync = async (): Promise<readonly string[]> => {
    const device = await new BenchDevice(load, 'user0').register();
    const pages: string[] = [];
    await device.snapshot((text) => pages.push(text));
    return pages;
  };
  const find = (): Promise<readonly string[]> =>
    handWrittenPages(load, 'user0', { pages: FIRST_ROWS / PAGE, limit: PAGE });
  const round = async (read: () => Promise<unknown>): Promise<Round> => {
    const { seconds, usage } = await environment.timed(app, async () => void (await read()));
    return { values: [FIRST_ROWS / seconds], usage };
  };
  return {
    subject: () => round(sync),
    baseline: () => round(find),
    verify: async () => {
      const [mine, its] = [idsOf(await sync()), idsOf(await find())];
      if (mine.size !== FIRST_ROWS || its.size !== FIRST_ROWS || [...its].some((id) => !mine.has(id)))
        throw new Error(`a first sync brings ${mine.size} rows, its baseline ${its.size}, or they differ`);
    },
  };
}

function idsOf(pages: readonly string[]): Set<string> {
  return new Set(
    pages.flatMap((text) => [...text.matchAll(/"id":"([0-9a-f-]{36})"/g)].map(([, id]) => id ?? '')),
  );
}

async function prepare(environment: Environment): Promise<Comparison> {
  const rows = environment.size(100_000, 20_000);
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${rows}, 1)`);
  const app = await environment.app(database);
  const copy = await environment.baseline('copy-out', database);
  await database.query('VACUUM ANALYZE');
  const load = new HttpLoad(app.url);

  const snapshot = async (onPage: (text: string) => void): Promise<void> => {
    const device = await new BenchDevice(load, 'user0').register();
    await device.snapshot(onPage);
  };

  return {
    subject: async () => {
      const { seconds, usage } = await environment.timed(app, () => snapshot(() => undefined));
      return { values: [rows / seconds], usage };
    },
    baseline: async () => {
      const { seconds, usage } = await environment.timed(copy, async () => void (await copy.call('copy')));
      return { values: [rows / seconds], usage };
    },
    verify: async () => {
      const mine: object[] = [];
      await snapshot((text) => mine.push(...recordsOf(text)));
      const lines = (await copy.call<string>('lines')).trimEnd().split('\n');
      const its = recordsOf(`{"records":[${lines.join()}]}`);
      if (mine.length !== rows || sorted(mine) !== sorted(its))
        throw new Error(`a snapshot has ${mine.length} records, the table ${its.length}, or they differ`);
    },
  };
}

function sorted(records: readonly object[]): string {
  return records
    .map((record) => JSON.stringify(record))
    .toSorted()
    .join('\n');
}
