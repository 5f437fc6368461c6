import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRow, Comparison, Round } from '../bench-row.js';
import { quantile } from '../run/statistics.js';
import { memoryOf, usageSinceStart } from '../run/usage.js';
import { BenchDevice } from '../environment/device.js';
import { HttpLoad } from '../environment/http-load.js';
import type { Environment } from '../environment/environment.js';

const USERS = 8;
/** Each user's device, milliseconds between two of its requests. */
const EVERY = { pull: 100, push: 300 } as const;
const BATCH = 10;

/** As in a small container: where memory is plenty, Node lets garbage stand. */
const HEAP_MB = 512;

/** What others' requests may take at the 99th percentile while one user attacks, and what memory may come on top of rest. */
const ALLOWED = { pull: 100, push: 300, memory: 200 } as const;

/** One user sends the worst that there is over 50 connections; the others go on as always. */
export const attacker: BenchRow = {
  name: 'attacker',
  rounds: { warmUps: 1, counted: 3 },
  lines: [
    {
      name: 'attacked-pull',
      work: "others' pulls while one user attacks over 50 connections, p99",
      baseline: `${ALLOWED.pull} ms`,
      unit: 'ms',
      target: 1,
    },
    {
      name: 'attacked-push',
      work: `others' pushes of ${BATCH} meanwhile, p99`,
      baseline: `${ALLOWED.push} ms`,
      unit: 'ms',
      target: 1,
    },
    {
      name: 'attacked-memory',
      work: `memory of the app above that at rest meanwhile, with a heap of ${HEAP_MB} MB`,
      baseline: `${ALLOWED.memory} MB`,
      unit: 'MB',
      target: 1,
    },
  ],
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const milliseconds = environment.size(20_000, 5_000);
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, 10000, ${USERS})`);
  const app = await environment.app(database, { heapMb: HEAP_MB });
  const process = await environment.baseline('attacker', database);
  await process.call('prepare', app.url);
  const devices = await Promise.all(
    Array.from({ length: USERS }, (_, n) => new BenchDevice(new HttpLoad(app.url), `user${n}`).start()),
  );
  // The memory of honest requests counts as rest.
  const atRest = await asAlways(devices, environment.size(3_000, 1_000));
  const rest = memoryOf(app.pid);
  const usage = { node: 0, backends: 0, walsender: 0, load: 0, peakMb: 0 };
  const all: Times[] = [];
  const cpu = { app: 0, server: 0, attacker: 0 };

  return {
    subject: async (): Promise<Round> => {
      let times: Times = { pull: [], push: [] };
      const before = usageSinceStart(process.pid).node;
      await process.call('start');
      const timing = await environment.timed(app, async () => {
        times = await asAlways(devices, milliseconds);
      });
      await process.call('stop');
      all.push(times);
      const { peakMb, node, backends, walsender } = timing.usage;
      cpu.app += node;
      cpu.server += backends + walsender;
      cpu.attacker += usageSinceStart(process.pid).node - before;
      return {
        values: [quantile(times.pull, 0.99), quantile(times.push, 0.99), Math.max(1, peakMb - rest)],
        usage: timing.usage,
      };
    },
    baseline: () => Promise.resolve({ values: [ALLOWED.pull, ALLOWED.push, ALLOWED.memory], usage }),
    verify: async () => {
      const answers = new Map(await process.call<[string, number][]>('answers'));
      if (answers.size === 0) throw new Error('nobody attacked');
      // Each was answered 200, or the devices would have thrown.
      const [row] = await database.query<{ n: number }>(
        `SELECT count(*)::integer AS n FROM tasks WHERE title = 'pushed'`,
      );
      if ((row?.n ?? 0) === 0) throw new Error('nothing was pushed');
    },
    notes: async () => {
      const answers = await process.call<[string, number][]>('answers');
      const list = answers.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, n]) => `${name} × ${n}`);
      return [
        `attacker: others' pulls ${text(all.flatMap(({ pull }) => pull))}; pushes ${text(all.flatMap(({ push }) => push))}; at rest ${rest.toFixed(0)} MB`,
        `attacker: without an attack, pulls ${text(atRest.pull)}; pushes ${text(atRest.push)}`,
        `attacker: CPU of all rounds: app ${cpu.app.toFixed(1)} s, PostgreSQL ${cpu.server.toFixed(1)} s, attacker's own process ${cpu.attacker.toFixed(1)} s`,
        `attacker: was answered ${list.join(', ')}`,
      ];
    },
  };
}

interface Times {
  readonly pull: number[];
  readonly push: number[];
}

/** Devices that pull and push at their pace. @returns milliseconds of each request */
async function asAlways(devices: readonly BenchDevice[], milliseconds: number): Promise<Times> {
  const times: Times = { pull: [], push: [] };
  const end = performance.now() + milliseconds;
  const lane = async (route: 'pull' | 'push', body: () => string, device: BenchDevice): Promise<void> => {
    while (performance.now() < end) {
      const began = performance.now();
      await device.send(route, body());
      const time = performance.now() - began;
      times[route].push(time);
      await sleep(Math.max(0, EVERY[route] - time));
    }
  };
  await Promise.all(
    devices.flatMap((device) => [
      lane('pull', () => device.pullBody(device.checkpoint, 100), device),
      lane(
        'push',
        () => device.pushBody(Array.from({ length: BATCH }, () => created(device.userId))),
        device,
      ),
    ]),
  );
  return times;
}

function created(userId: string): object {
  const id = randomUUID();
  return {
    id,
    table_name: 'tasks',
    operation: 'create',
    data: { id, user_id: userId, title: 'pushed', body: 'while somebody attacks', done: false },
    client_updated_at: new Date().toISOString(),
  };
}

function text(times: readonly number[]): string {
  const [p50, p99] = [quantile(times, 0.5), quantile(times, 0.99)];
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, at most ${Math.max(...times).toFixed(0)} ms of ${times.length}`;
}
