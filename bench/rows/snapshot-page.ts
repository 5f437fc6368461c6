import type { BenchRow, Comparison, Round } from '../bench-row.js';
import type { Database } from '../environment/database.js';
import { BenchDevice, type SnapshotAnswer } from '../environment/device.js';
import { HttpLoad, repeat } from '../environment/http-load.js';
import type { NodeProcess } from '../environment/node-process.js';
import type { Environment } from '../environment/environment.js';

const PAGE = 1_000;
const SMALL = 10_000;

/** Pages from anywhere in a table: what a page costs must not depend on the table's size. */
export const snapshotPage: BenchRow = {
  name: 'snapshot-page',
  lines: [
    {
      name: 'snapshot-page',
      work: 'snapshot page of 1,000 rows, table of 1,000,000 rows (quick: 100,000)',
      baseline: 'the same with 10,000 rows',
      unit: 'requests/s',
      target: 0.9,
    },
  ],
  prepare,
};

/** An app with one user, who sees all rows of its table. */
interface Library {
  readonly app: NodeProcess;
  readonly device: BenchDevice;
  /** Requests for pages from all over the table, and the id after which each begins. */
  readonly pages: readonly { readonly body: string; readonly after: string }[];
  readonly database: Database;
}

async function prepare(environment: Environment): Promise<Comparison> {
  const rows = environment.size(1_000_000, 100_000);
  const large = await library(environment, rows);
  const small = await library(environment, SMALL);
  const requests = environment.size(120, 15);

  const round = async ({ app, device, pages }: Library): Promise<Round> => {
    const { seconds, usage } = await environment.timed(app, () =>
      repeat(requests, 1, async (n) => {
        await device.send('snapshot', pages[n % pages.length]?.body ?? '');
      }),
    );
    return { values: [requests / seconds], usage };
  };
  const milliseconds = async (one: Library): Promise<number> => 1000 / ((await round(one)).values[0] ?? 0);

  return {
    subject: () => round(large),
    baseline: () => round(small),
    verify: async () => {
      for (const one of [large, small]) await verifyPages(one);
    },
    curves: async () => [
      {
        name: 'snapshot page of 1,000, table of n rows',
        points: [
          [SMALL, await milliseconds(small)],
          [rows, await milliseconds(large)],
        ],
      },
    ],
  };
}

async function library(environment: Environment, rows: number): Promise<Library> {
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${rows}, 1)`);
  await database.query('VACUUM ANALYZE tasks');
  const app = await environment.app(database);
  await database.query('VACUUM ANALYZE sync_bucket_edges');
  const load = new HttpLoad(app.url);
  const device = await new BenchDevice(load, 'user0').register();
  const first: SnapshotAnswer = JSON.parse(await device.send('snapshot', device.snapshotBody(null, PAGE)));
  const starts = await database.query<{ id: string }>(
    `SELECT id FROM (SELECT id::text, row_number() OVER (ORDER BY id) AS n FROM tasks) AS t
      WHERE n % ${Math.floor(rows / 100)} = 1 AND n <= ${rows - PAGE}`,
  );
  // Where a snapshot goes on is opaque to devices, so that a page is not reached but by those before it.
  const pages = starts.map(({ id }) => ({
    after: id,
    body: device.snapshotBody({ ...first.cursor, after_id: afterId(id) }, PAGE),
  }));
  return { app, device, pages, database };
}

function afterId(id: string): string {
  return Buffer.from(JSON.stringify(['tasks', id])).toString('base64url');
}

async function verifyPages({ database, device, pages }: Library): Promise<void> {
  for (const { body, after } of pages) {
    const page: SnapshotAnswer = JSON.parse(await device.send('snapshot', body));
    const rows = await database.query<{ id: string; title: string }>(
      `SELECT id, title FROM tasks WHERE id > $1 ORDER BY id LIMIT ${PAGE}`,
      [after],
    );
    const [mine, its] = [
      page.records.map(({ id, data }) => `${id} ${String(data['title'])}`),
      rows.map(({ id, title }) => `${id} ${title}`),
    ];
    if (mine.length !== PAGE || mine.join() !== its.join())
      throw new Error('a page is not what the table has');
  }
}
