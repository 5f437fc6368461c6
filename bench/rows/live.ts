import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRow, Comparison } from '../bench-row.js';
import type { Database } from '../environment/database.js';
import { BenchDevice, type PullAnswer } from '../environment/device.js';
import type { Environment } from '../environment/environment.js';
import { HttpLoad, repeat } from '../environment/http-load.js';
import { LiveStream } from '../environment/live-stream.js';
import { quantile } from '../run/statistics.js';
import { memoryOf } from '../run/usage.js';

/** Each hears of a commit twice a second: of more, a device is told by and by (`live.pokeInterval`). */
const DEVICES = 25;
const RATE = 50;
/** Milliseconds that may come on top of the source commit, poke and pull included. */
const ALLOWED = { p50: 6, p99: 20 } as const;
const CROWD = 1_000;
const LANES = 16;
/** Of one user; more would end the oldest. */
const CONNECTIONS_PER_USER = 100;

/** From a commit until the device that it is for, which is connected, has pulled the row. */
const arrival: BenchRow = {
  name: 'live',
  lines: (['p50', 'p99'] as const).map((share) => ({
    name: `live-${share}`,
    work: `commit → a connected device has the row at ${RATE} commits a second for ${DEVICES} of them, ${share}`,
    baseline: `the source commit itself, and ${ALLOWED[share]} ms`,
    unit: 'ms',
    target: 1,
  })),
  prepare: prepareArrival,
};

/** One change that a crowd of connected devices sees, until all have pulled it. */
const crowd: BenchRow = {
  name: 'live-crowd',
  lines: [
    {
      name: 'live-crowd',
      work: `one change in a bucket of ${CROWD} connected devices → all have pulled it`,
      baseline: `${CROWD} bare pulls, ${LANES} at a time`,
      unit: 'ms',
      target: 0.67,
    },
  ],
  prepare: prepareCrowd,
};

export const live: readonly BenchRow[] = [arrival, crowd];

async function prepareArrival(environment: Environment): Promise<Comparison> {
  const commits = environment.size(3, 1) * RATE;
  const database = await environment.database();
  const baselineDatabase = await environment.database();
  const app = await environment.app(database);
  const load = new HttpLoad(app.url, LANES);
  const arrived = new Map<string, number>();
  await repeat(DEVICES, LANES, async (n) => {
    const device = await new BenchDevice(load, `user${n}`).start();
    const pull = follow(device, (ids) => {
      const now = performance.now();
      for (const id of ids) arrived.set(id, now);
    });
    await LiveStream.open(app.url, device.livePath(), device.userId, pull.wake);
  });

  return {
    subject: async () => {
      let begun: ReadonlyMap<string, Commit> = new Map();
      const { usage } = await environment.timed(app, async () => {
        begun = await commitAtRate(database, commits);
        await until(() => [...begun.keys()].every((id) => arrived.has(id)));
      });
      const times = [...begun].map(([id, { at }]) => (arrived.get(id) ?? Number.NaN) - at);
      return { values: both(times), usage };
    },
    baseline: async () => {
      let times: readonly number[] = [];
      const { usage } = await environment.timed(app, async () => {
        const done = await commitAtRate(baselineDatabase, commits);
        times = [...done.values()].map(({ took }) => took);
      });
      const [p50, p99] = both(times);
      return { values: [p50 + ALLOWED.p50, p99 + ALLOWED.p99], usage };
    },
    verify: async () => {
      const rows = await database.query<{ id: string }>('SELECT id FROM tasks');
      const missing = rows.filter(({ id }) => !arrived.has(id));
      if (missing.length > 0) throw new Error(`${missing.length} of ${rows.length} rows did not arrive`);
    },
    notes: async () => [...(await idle(environment))],
  };
}

async function prepareCrowd(environment: Environment): Promise<Comparison> {
  const database = await environment.database();
  const app = await environment.app(database);
  const load = new HttpLoad(app.url, LANES);
  const devices: BenchDevice[] = [];
  await repeat(CROWD, LANES, async (n) => {
    devices.push(await new BenchDevice(load, `crowd-${n}`).start());
  });
  const seen = new Map<BenchDevice, string>();
  for (const device of devices) {
    const pull = follow(device, (ids) => seen.set(device, ids.at(-1) ?? ''));
    await LiveStream.open(app.url, device.livePath(), device.userId, pull.wake);
  }
  let last = '';
  return {
    subject: async () => {
      last = randomUUID();
      const { seconds, usage } = await environment.timed(app, async () => {
        await commitOne(database, last, 'crowd');
        await until(() => devices.every((device) => seen.get(device) === last));
      });
      return { values: [seconds * 1000], usage };
    },
    baseline: async () => {
      const { seconds, usage } = await environment.timed(app, () =>
        repeat(CROWD, LANES, async (n) => {
          const device = devices[n];
          await device?.send('pull', device.pullBody(device.checkpoint - 1, 100));
        }),
      );
      return { values: [seconds * 1000], usage };
    },
    verify: async () => {
      if (!devices.every((device) => seen.get(device) === last)) throw new Error('a device missed a change');
    },
  };
}

/** What connections cost that nothing happens on, for people. */
async function idle(environment: Environment): Promise<readonly string[]> {
  const count = environment.size(10_000, 500);
  const database = await environment.database();
  const app = await environment.app(database);
  const load = new HttpLoad(app.url, LANES);
  const devices: BenchDevice[] = [];
  await repeat(Math.ceil(count / CONNECTIONS_PER_USER), LANES, async (n) => {
    devices.push(await new BenchDevice(load, `idle-${n}`).start());
  });
  const before = memoryOf(app.pid);
  const streams: LiveStream[] = [];
  const began = performance.now();
  await repeat(count, LANES * 4, async (n) => {
    const device = devices[n % devices.length];
    if (device)
      streams.push(await LiveStream.open(app.url, device.livePath(), device.userId, () => undefined));
  });
  const connecting = (performance.now() - began) / 1000;
  const kilobytes = ((memoryOf(app.pid) - before) * 1024) / count;
  const seconds = environment.size(30, 5);
  const { usage } = await environment.timed(app, () => sleep(seconds * 1000));
  const leaving = performance.now();
  for (const stream of streams) stream.close();
  await until(async () => (await app.call<{ connections: number }>('live')).connections === 0);
  const left = (performance.now() - leaving) / 1000;
  return [
    `live: ${count} idle connections cost ${kilobytes.toFixed(1)} KB each and ` +
      `${((usage.node / seconds) * 100).toFixed(1)} % of a core; ${Math.round(count / connecting)} connected and ` +
      `${Math.round(count / left)} left in a second`,
  ];
}

interface Commit {
  /** When it was asked for, by `performance.now()`. */
  readonly at: number;
  /** Milliseconds. */
  readonly took: number;
}

/** One-row transactions at a steady rate, by id. */
async function commitAtRate(database: Database, commits: number): Promise<ReadonlyMap<string, Commit>> {
  const done = new Map<string, Commit>();
  const began = performance.now();
  const running: Promise<void>[] = [];
  for (let n = 0; n < commits; n++) {
    const wait = began + (n * 1000) / RATE - performance.now();
    if (wait > 0) await sleep(wait);
    const id = randomUUID();
    running.push(commitOne(database, id, `user${n % DEVICES}`).then((commit) => void done.set(id, commit)));
  }
  await Promise.all(running);
  return done;
}

async function commitOne({ pool }: Database, id: string, userId: string): Promise<Commit> {
  const at = performance.now();
  const text = `INSERT INTO tasks (id, user_id, title, body) VALUES ($1, $2, 'A task', 'that somebody waits for')`;
  await pool.query({ name: 'insert', text, values: [id, userId] });
  return { at, took: performance.now() - at };
}

/** Pulls whenever it is woken, one pull at a time. */
function follow(
  device: BenchDevice,
  onRows: (ids: readonly string[]) => void,
): { readonly wake: () => void } {
  let isPulling = false;
  let isWoken = false;
  const run = async (): Promise<void> => {
    isPulling = true;
    for (let more = true; more || isWoken;) {
      isWoken = false;
      const page: PullAnswer = JSON.parse(await device.send('pull', device.pullBody(device.checkpoint, 100)));
      device.checkpoint = page.checkpoint;
      more = page.has_more;
      if (page.changes.length > 0) onRows(page.changes.map(({ id }) => id));
    }
    isPulling = false;
  };
  return {
    wake: () => {
      isWoken = true;
      if (!isPulling) void run();
    },
  };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(1);
}

function both(times: readonly number[]): [p50: number, p99: number] {
  return [quantile(times, 0.5), quantile(times, 0.99)];
}
