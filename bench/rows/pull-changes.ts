import type { BenchRow, Comparison, Curve, Line, Round } from '../bench-row.js';
import { lastSeq, reached } from '../environment/changelog.js';
import { BenchDevice, type PullAnswer } from '../environment/device.js';
import type { Environment } from '../environment/environment.js';
import { handWrittenPages } from '../environment/hand-written-pages.js';
import { HttpLoad } from '../environment/http-load.js';

const PAGE = 1_000;

/** How many devices pull at once, each of a user of its own, and how many pages each has to come. */
interface Load {
  readonly devices: number;
  readonly pages: number;
}

const line = (name: string, work: string, unit: Line['unit'], target: number): Line => ({
  name,
  work,
  baseline: 'a hand-written controller with TypeORM: `find` of the same rows',
  unit,
  target,
});

/** Devices that were away, and get what changed page by page; each page acknowledges the one before. */
export const pullChanges: readonly BenchRow[] = [
  {
    name: 'pull-changes',
    lines: [
      line('pull-1000', 'pull of 1,000 changes over HTTP, one device', 'requests/s', 0.9),
      line('pull-1000-cpu', 'CPU of the Node process for such a pull', 'ms', 2.86),
    ],
    prepare: (environment) => prepare(environment, { devices: 1, pages: 20 }),
  },
  {
    name: 'pull-changes-8',
    lines: [
      line('pull-1000-8', 'pull of 1,000 changes over HTTP, eight devices', 'requests/s', 1.3),
      line('pull-1000-8-cpu', 'CPU of the Node process for such a pull', 'ms', 2.86),
    ],
    prepare: (environment) => prepare(environment, { devices: 8, pages: 5 }),
  },
];

/** Asks for all that a user has, page after page. @returns what was read */
type Walk = (user: number) => Promise<readonly string[]>;

async function prepare(environment: Environment, { devices: count, pages }: Load): Promise<Comparison> {
  const rows = PAGE * pages * count;
  const database = await environment.database();
  const app = await environment.app(database);
  const load = new HttpLoad(app.url, count);
  const devices = await Promise.all(
    Array.from({ length: count }, (_, n) => new BenchDevice(load, `user${n}`).start()),
  );
  const before = await lastSeq(database);
  await database.query(`CALL write_tasks(1, ${rows}, ${count}, 100)`);
  await reached(database, before + rows);
  await database.query('VACUUM ANALYZE');
  const walks = environment.size(6, 2);

  const pull: Walk = async (user) => {
    const device = devices[user];
    const texts: string[] = [];
    let checkpoint = before;
    for (let page = 0; page < pages; page++) {
      const text = (await device?.send('pull', device.pullBody(checkpoint, PAGE))) ?? '';
      checkpoint = Number(/"checkpoint":(\d+)/.exec(text)?.[1]);
      texts.push(text);
    }
    return texts;
  };
  const find: Walk = (user) => handWrittenPages(load, `user${user}`, { pages, limit: PAGE });
  const round = async (walk: Walk): Promise<Round> => {
    const { seconds, usage } = await environment.timed(app, async () => {
      await Promise.all(
        devices.map(async (_, user) => {
          for (let n = 0; n < walks; n++) await walk(user);
        }),
      );
    });
    const requests = walks * pages * count;
    return { values: [requests / seconds, (1000 * usage.node) / requests], usage };
  };

  return {
    subject: () => round(pull),
    baseline: () => round(find),
    verify: async () => {
      for (const user of devices.keys()) {
        const mine = (await pull(user)).flatMap((text) => (JSON.parse(text) as PullAnswer).changes);
        const its = (await find(user)).flatMap(
          (text) => (JSON.parse(text) as { readonly tasks: readonly Found[] }).tasks,
        );
        const [one, other] = [mine.map(({ data }) => contentOf(data)), its.map(contentOf)];
        if (one.length !== PAGE * pages || one.toSorted().join('\n') !== other.toSorted().join('\n'))
          throw new Error('a pull brings other rows than its baseline');
      }
    },
    curves: async () => (count > 1 ? [] : [await curve(devices[0], before)]),
  };
}

interface Found {
  readonly id?: unknown;
  readonly title?: unknown;
  readonly body?: unknown;
}

function contentOf({ id, title, body }: Found): string {
  return JSON.stringify([id, title, body]);
}

async function curve(device: BenchDevice | undefined, checkpoint: number): Promise<Curve> {
  const points: [number, number][] = [];
  for (const size of [1, 10, 100, 1_000]) {
    const times = 20;
    const began = performance.now();
    for (let n = 0; n < times; n++) await device?.send('pull', device.pullBody(checkpoint + n, size));
    points.push([size, (performance.now() - began) / times]);
  }
  return { name: 'pull of n changes', points };
}
