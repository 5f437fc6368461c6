import type { BenchRow, Curve, Comparison, Round } from '../bench-row.js';
import { lastSeq, reached } from '../environment/changelog.js';
import { BenchDevice, type PullAnswer } from '../environment/device.js';
import { HttpLoad, repeat } from '../environment/http-load.js';
import type { NodeProcess } from '../environment/node-process.js';
import { recordsOf } from '../environment/records.js';
import type { Environment } from '../environment/environment.js';

const PAGE = 1_000;
const PAGES = 20;
const USER = 'user0';

/** A device that was away, and gets what changed page by page; each page acknowledges the one before. */
export const pullChanges: BenchRow = {
  name: 'pull-changes',
  lines: [
    {
      name: 'pull-1000',
      work: 'pull of 1,000 changes over HTTP',
      baseline: 'one statement that reads the same rows as JSON text, sent by a bare HTTP server',
      unit: 'requests/s',
      target: 0.7,
    },
  ],
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const database = await environment.database();
  const app = await environment.app(database);
  const bare = await environment.baseline('bare-pull-server', database);
  const load = new HttpLoad(app.url);
  const bareLoad = new HttpLoad(bare.url);
  const device = await new BenchDevice(load, USER).start();
  const before = await lastSeq(database);
  await database.query(`CALL write_tasks(1, ${PAGE * PAGES}, 1, 100)`);
  await reached(database, before + PAGE * PAGES);
  await database.query('VACUUM ANALYZE');

  const checkpoints = Array.from({ length: PAGES }, (_, page) => before + page * PAGE);
  const pages = await idsByPage(device, checkpoints);
  await bare.call('learn', pages);
  const requests = environment.size(120, 40);
  const bodyOf = (n: number): string => device.pullBody(checkpoints[n % PAGES] ?? 0, PAGE);

  const round = async (measured: NodeProcess, send: (body: string) => Promise<string>): Promise<Round> => {
    const { seconds, usage } = await environment.timed(measured, () =>
      repeat(requests, 1, async (n) => void (await send(bodyOf(n)))),
    );
    return { values: [requests / seconds], usage };
  };
  const pull = (body: string): Promise<string> => device.send('pull', body);
  const barePull = (body: string): Promise<string> => bareLoad.post('/', body, USER);

  return {
    subject: () => round(app, pull),
    baseline: () => round(bare, barePull),
    verify: async () => {
      for (const n of checkpoints.keys()) {
        const [mine, its] = [recordsOf(await pull(bodyOf(n))), recordsOf(await barePull(bodyOf(n)))];
        if (mine.length !== PAGE || JSON.stringify(mine) !== JSON.stringify(its))
          throw new Error(`page ${n} of a pull is not what its baseline sends`);
      }
    },
    curves: async () => [await curve(device, before)],
  };
}

async function idsByPage(
  device: BenchDevice,
  checkpoints: readonly number[],
): Promise<readonly (readonly [number, readonly string[]])[]> {
  const pages: [number, readonly string[]][] = [];
  for (const checkpoint of checkpoints) {
    const answer: PullAnswer = JSON.parse(await device.send('pull', device.pullBody(checkpoint, PAGE)));
    pages.push([checkpoint, answer.changes.map(({ id }) => id)]);
  }
  return pages;
}

async function curve(device: BenchDevice, checkpoint: number): Promise<Curve> {
  const points: [number, number][] = [];
  for (const size of [1, 10, 100, 1_000]) {
    const times = 20;
    const began = performance.now();
    for (let n = 0; n < times; n++) await device.send('pull', device.pullBody(checkpoint + n, size));
    points.push([size, (performance.now() - began) / times]);
  }
  return { name: 'pull of n changes', points };
}
