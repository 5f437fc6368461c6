import type { BenchRow, Comparison, Line, Round } from '../bench-row.js';
import { lastSeq, reached } from '../environment/changelog.js';
import type { Database } from '../environment/database.js';
import { BenchDevice, type PullAnswer } from '../environment/device.js';
import { runFast } from '../environment/drain.js';
import { HttpLoad, repeat } from '../environment/http-load.js';
import type { Environment } from '../environment/environment.js';

const PAGE = 1_000;
const BUCKETS = [2, 20, 200] as const;

/** A device that reads many buckets and was away for long. */
export const pullBuckets: BenchRow = {
  name: 'pull-buckets',
  lines: [
    ...BUCKETS.map((buckets): Line => ({
      name: `pull-buckets-${buckets}`,
      work: `page of 1,000 out of ${buckets} buckets with a backlog of 100,000 (quick: 20,000)`,
      baseline: 'the same with a backlog of 1,000',
      unit: 'requests/s',
      target: 0.9,
    })),
    ...([20, 200] as const).map((buckets): Line => ({
      name: `pull-buckets-${buckets}-growth`,
      work: `page of 1,000 out of ${buckets} buckets with that backlog`,
      baseline: `a tenth of the pages out of ${buckets / 10}: linear in the buckets`,
      unit: 'requests/s',
      target: 1,
    })),
  ],
  prepare,
};

/** A device that reads so many buckets. */
interface Reader {
  readonly device: BenchDevice;
  /** Where all of its backlog is still to come, and where but one page is. */
  readonly start: number;
  readonly lastPage: number;
}

async function prepare(environment: Environment): Promise<Comparison> {
  const backlog = environment.size(100_000, 20_000);
  const requests = environment.size(20, 5);
  const database = await environment.database();
  const app = await environment.app(database);
  const load = new HttpLoad(app.url);
  const readers: Reader[] = [];
  for (const buckets of BUCKETS) {
    const device = await new BenchDevice(load, `reads-${buckets}`).start();
    const start = await lastSeq(database);
    await runFast(database, addTasks(buckets, backlog));
    await reached(database, start + backlog);
    readers.push({ device, start, lastPage: start + backlog - PAGE });
  }
  await database.query('VACUUM ANALYZE');

  /** Pages a second, of each reader. */
  const round = async (
    from: (reader: Reader) => number,
  ): Promise<{ rates: number[] } & Pick<Round, 'usage'>> => {
    const rates: number[] = [];
    const { usage } = await environment.timed(app, async () => {
      for (const reader of readers) {
        const body = reader.device.pullBody(from(reader), PAGE);
        const began = performance.now();
        await repeat(requests, 1, async () => void (await reader.device.send('pull', body)));
        rates.push((requests * 1000) / (performance.now() - began));
      }
    });
    return { rates, usage };
  };
  let [of2 = 0, of20 = 0]: number[] = [];

  return {
    subject: async () => {
      const { rates, usage } = await round(({ start }) => start);
      [of2 = 0, of20 = 0] = rates;
      return { values: [...rates, ...rates.slice(1)], usage };
    },
    baseline: async () => {
      const { rates, usage } = await round(({ lastPage }) => lastPage);
      return { values: [...rates, of2 / 10, of20 / 10], usage };
    },
    verify: async () => {
      for (const { device, start, lastPage } of readers) {
        for (const checkpoint of [start, lastPage]) await verifyPage(database, device, checkpoint);
      }
    },
    curves: async () => {
      const { rates } = await round(({ start }) => start);
      return [
        {
          name: 'pull of 1,000 out of n buckets',
          points: BUCKETS.map((buckets, n) => [buckets, 1000 / (rates[n] ?? 0)] as const),
        },
      ];
    },
  };
}

/** Round the buckets of one reader, in the order of the log. */
function addTasks(buckets: number, count: number): string {
  return `INSERT INTO tasks (user_id, title, body, priority, amount)
    SELECT 'of-${buckets}-' || n % ${buckets}, 'Task number ' || n, 'What there is to say about it', n % 5, n * 0.25
      FROM generate_series(1, ${count}) AS n`;
}

async function verifyPage(database: Database, device: BenchDevice, checkpoint: number): Promise<void> {
  const answer: PullAnswer = JSON.parse(await device.send('pull', device.pullBody(checkpoint, PAGE)));
  const rows = await database.query<{ id: string }>(
    'SELECT record_id AS id FROM sync_changelog WHERE seq > $1 ORDER BY seq LIMIT $2',
    [checkpoint, PAGE],
  );
  if (answer.changes.length !== PAGE || answer.changes.some(({ id }, n) => id !== rows[n]?.id))
    throw new Error(`a page after ${checkpoint} is not what the log has`);
}
