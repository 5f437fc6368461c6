import { randomUUID } from 'node:crypto';
import type { BenchRow, Curve, Comparison, Round } from '../bench-row.js';
import type { Database } from '../environment/database.js';
import { BenchDevice, type PushAnswer } from '../environment/device.js';
import { HttpLoad } from '../environment/http-load.js';
import { copyRows, expectSame } from '../environment/same.js';
import type { Environment } from '../environment/environment.js';

export const BATCH = 100;

type Kind = 'create' | 'update';

/** What is pushed: batch n by user n of so many, each over a connection of its own. */
interface Load {
  readonly kind: Kind;
  readonly users: number;
  readonly batch: number;
}

export interface Task {
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly done: boolean;
  readonly priority: number;
  readonly amount: number;
}

/** What a device has edited offline. The changelog of it all is written meanwhile, as always. */
export const pushBatches: readonly BenchRow[] = [
  ...(['create', 'update'] as const).map((kind): BenchRow => ({
    name: `push-${kind}s`,
    lines: [
      {
        name: `push-${BATCH}-${kind}s`,
        work: `push of ${BATCH} ${kind}s over HTTP`,
        baseline: `a hand-written controller with TypeORM: ${kind === 'create' ? '`insert` of all' : '`update` each'}`,
        unit: 'requests/s',
        target: kind === 'create' ? 1.3 : 2.5,
      },
    ],
    prepare: (environment) => prepare(environment, { kind, users: 1, batch: BATCH }),
  })),
  {
    name: 'push-users',
    lines: [
      {
        name: 'push-users',
        work: '16 users who push batches of 10 creates, over HTTP',
        baseline: 'a hand-written controller with TypeORM: `insert` of all',
        unit: 'requests/s',
        target: 1,
      },
    ],
    prepare: (environment) => prepare(environment, { kind: 'create', users: 16, batch: 10 }),
  },
];

async function prepare(environment: Environment, { kind, users, batch }: Load): Promise<Comparison> {
  const pushes = environment.size(60, 20) * (users === 1 ? 1 : 8);
  const database = await environment.database();
  const baselineDatabase = await environment.database();
  if (kind === 'update') await sameTasks(database, baselineDatabase, pushes * batch);
  const app = await environment.app(database);
  const handWritten = await environment.app(baselineDatabase);
  const load = new HttpLoad(app.url, users);
  const baselineLoad = new HttpLoad(handWritten.url, users);
  const devices = await Promise.all(
    Array.from({ length: users }, (_, n) => new BenchDevice(load, `user${n}`).start()),
  );
  const versions = await versionsOf(database);
  let turn = 0;
  let batches: readonly (readonly Task[])[] = [];

  const push = async (
    tasks: readonly (readonly Task[])[],
  ): Promise<Omit<Round, 'values'> & { seconds: number }> => {
    const lanes = devices.map((device, lane) => ({
      device,
      bodies: inLane(tasks, lane, users).map((each) =>
        device.pushBody(each.map((task) => change(kind, device.userId, task, versions))),
      ),
    }));
    const answers: string[] = [];
    const push = async ({ device, bodies }: (typeof lanes)[number]): Promise<void> => {
      for (const body of bodies) answers.push(await device.send('push', body));
    };
    const timing = await environment.timed(app, async () => {
      await Promise.all(lanes.map(push));
    });
    for (const answer of answers) learn(answer, versions);
    await app.call('caughtUp');
    return timing;
  };
  const next = (count: number, size: number): readonly (readonly Task[])[] => {
    turn += 1;
    const ids = kind === 'create' ? null : [...versions.keys()];
    return Array.from({ length: count }, (_, n) =>
      Array.from({ length: size }, (_, m) => taskOf(ids?.[n * size + m] ?? randomUUID(), turn, n * size + m)),
    );
  };

  return {
    subject: async () => {
      batches = next(pushes, batch);
      const { seconds, usage } = await push(batches);
      return { values: [pushes / seconds], usage };
    },
    baseline: async () => {
      const { seconds, usage } = await environment.timed(handWritten, async () => {
        await Promise.all(
          devices.map(async ({ userId }, lane) => {
            for (const each of inLane(batches, lane, users))
              await baselineLoad.post(`/hand-written/${kind}s`, JSON.stringify(each), userId);
          }),
        );
      });
      await handWritten.call('caughtUp');
      return { values: [pushes / seconds], usage };
    },
    verify: async () => {
      const tasks =
        'SELECT id, user_id, title, body, done, priority, amount, deleted_at FROM tasks ORDER BY id';
      await expectSame(database, tasks, baselineDatabase, tasks);
    },
    curves: async () => {
      if (users > 1) return [];
      const points: [number, number][] = [];
      for (const size of [1, 10, 100, 1_000]) {
        const count = kind === 'create' ? 10 : Math.min(10, (pushes * BATCH) / size);
        points.push([size, ((await push(next(count, size))).seconds * 1000) / count]);
      }
      return [{ name: `push of n ${kind}s`, points } satisfies Curve];
    },
  };
}

/** The same rows in both, with the times that they have in one. */
export async function sameTasks(
  database: Database,
  baselineDatabase: Database,
  count: number,
): Promise<void> {
  await database.query(`SELECT add_tasks(1, ${count}, 1)`);
  await copyRows(database, baselineDatabase, 'tasks');
  for (const each of [database, baselineDatabase]) await each.query('VACUUM ANALYZE tasks');
}

/** The `updated_at` of each task, as a device would know it. */
export async function versionsOf(database: Database): Promise<Map<string, string>> {
  const rows = await database.query<{ id: string; version: string }>(
    `SELECT id, to_json(updated_at) #>> '{}' AS version FROM tasks ORDER BY created_at, id`,
  );
  return new Map(rows.map(({ id, version }) => [id, version]));
}

export function taskOf(id: string, turn: number, n: number): Task {
  return {
    id,
    title: `Task number ${n} of turn ${turn}`,
    body: `What there is to say about the task with the number ${n}`,
    done: turn % 2 === 0,
    priority: n % 5,
    amount: n * 0.25 + turn,
  };
}

/** The batches of one lane of so many. */
function inLane<Batch>(batches: readonly Batch[], lane: number, lanes: number): readonly Batch[] {
  return batches.filter((_, n) => n % lanes === lane);
}

/** As the SDKs send it: always the whole row. */
export function change(
  kind: Kind,
  userId: string,
  { id, ...data }: Task,
  versions: ReadonlyMap<string, string>,
): object {
  return {
    id,
    table_name: 'tasks',
    operation: kind,
    data: { id, user_id: userId, ...data },
    client_updated_at: new Date().toISOString(),
    base_updated_at: kind === 'create' ? null : versions.get(id),
  };
}

export function learn(answer: string, versions: Map<string, string>): void {
  const { accepted, rejected } = JSON.parse(answer) as PushAnswer;
  if (rejected.length > 0) throw new Error(`a push was rejected: ${answer.slice(0, 500)}`);
  for (const { id, server_updated_at: version } of accepted) if (versions.has(id)) versions.set(id, version);
}
