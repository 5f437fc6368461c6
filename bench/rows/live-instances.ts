import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRow, Comparison } from '../bench-row.js';
import { BenchDevice } from '../environment/device.js';
import type { Environment } from '../environment/environment.js';
import { HttpLoad } from '../environment/http-load.js';
import { LiveStream } from '../environment/live-stream.js';
import { quantile } from '../run/statistics.js';
import { change, taskOf } from './push-batches.js';

const ALLOWED_MS = 50;
/** Between two pushes nothing happens. */
const REST_MS = 300;

/** Two instances, as behind a proxy that gives requests to each in turn: one consumes, the other stands by. */
export const liveInstances: BenchRow = {
  name: 'live-instances',
  lines: [
    {
      name: 'live-instances',
      work: 'push to one instance → a device connected to the other one is poked, the push itself included, p99',
      baseline: `${ALLOWED_MS} ms`,
      unit: 'ms',
      target: 1,
    },
  ],
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const pushes = environment.size(100, 20);
  const database = await environment.database();
  const apps = [await environment.app(database), await environment.app(database)];
  const ends = await Promise.all(
    apps.map(async (app) => {
      const device = await new BenchDevice(new HttpLoad(app.url), 'user0').start();
      const end = { app, device, onPoke: (): void => undefined };
      await LiveStream.open(app.url, device.livePath(), device.userId, () => end.onPoke());
      return end;
    }),
  );
  const usage = { node: 0, backends: 0, walsender: 0, load: 0, peakMb: 0 };
  let turn = 0;

  /** @returns milliseconds */
  const pushOnce = async (from: (typeof ends)[number], to: (typeof ends)[number]): Promise<number> => {
    const poked = new Promise<number>((resolve) => {
      to.onPoke = () => resolve(performance.now());
    });
    const task = taskOf(randomUUID(), turn, turn);
    const began = performance.now();
    await from.device.send('push', from.device.pushBody([change('create', 'user0', task, new Map())]));
    return (await poked) - began;
  };

  return {
    subject: async () => {
      const times: number[] = [];
      const { usage } = await environment.timed(apps[0] ?? { pid: 0 }, async () => {
        for (let n = 0; n < pushes; n++) {
          await sleep(REST_MS);
          turn += 1;
          const [from, to] = n % 2 === 0 ? ends : ends.toReversed();
          if (from && to) times.push(await pushOnce(from, to));
        }
      });
      return { values: [quantile(times, 0.99)], usage };
    },
    baseline: () => Promise.resolve({ values: [ALLOWED_MS], usage }),
    verify: async () => {
      const [row] = await database.query<{ n: number }>('SELECT count(*)::integer AS n FROM tasks');
      if (row?.n !== turn) throw new Error(`${row?.n} of ${turn} pushed rows are there`);
    },
  };
}
