import { randomUUID } from 'node:crypto';
import type { BenchRow, Curve, Duel, Round } from '../bench-row.js';
import type { Database } from '../stage/database.js';
import { BenchDevice, type PushAnswer } from '../stage/device.js';
import { HttpLoad } from '../stage/http-load.js';
import { expectSame } from '../stage/same.js';
import type { Stage } from '../stage/stage.js';

const BATCH = 100;
const USER = 'user0';

type Kind = 'create' | 'update';

interface Task {
  readonly id: string;
  readonly title: string;
  readonly body: string;
  readonly done: boolean;
  readonly priority: number;
  readonly amount: number;
}

/** What a device has edited offline. The changelog of it all is written meanwhile, as always. */
export const pushBatches: readonly BenchRow[] = (['create', 'update'] as const).map((kind) => ({
  name: `push-${kind}s`,
  lines: [
    {
      name: `push-${BATCH}-${kind}s`,
      work: `push of ${BATCH} ${kind}s over HTTP`,
      limit:
        kind === 'create'
          ? 'one INSERT … SELECT FROM json_populate_recordset in a transaction, same driver, no HTTP'
          : 'one set-based UPDATE in a transaction, same driver, no HTTP',
      unit: 'requests/s',
      target: 0.4,
    },
  ],
  prepare: (stage) => prepare(stage, kind),
}));

async function prepare(stage: Stage, kind: Kind): Promise<Duel> {
  const pushes = stage.size(60, 20);
  const database = await stage.database();
  const limitDatabase = await stage.database();
  if (kind === 'update') await sameTasks(database, limitDatabase, pushes * BATCH);
  const app = await stage.app(database);
  const writer = await stage.limit('bare-writer', limitDatabase);
  const device = await new BenchDevice(new HttpLoad(app.url), USER).start();
  const versions = await versionsOf(database);
  let turn = 0;
  let batches: readonly (readonly Task[])[] = [];

  const push = async (
    tasks: readonly (readonly Task[])[],
  ): Promise<Omit<Round, 'values'> & { seconds: number }> => {
    const bodies = tasks.map((batch) => device.pushBody(batch.map((task) => change(kind, task, versions))));
    const answers: string[] = [];
    const timing = await stage.timed(app, async () => {
      for (const body of bodies) answers.push(await device.send('push', body));
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
      batches = next(pushes, BATCH);
      const { seconds, usage } = await push(batches);
      return { values: [pushes / seconds], usage };
    },
    limit: async () => {
      await writer.call(
        'load',
        batches.map((batch) => JSON.stringify(batch)),
      );
      const { seconds, usage } = await stage.timed(writer, () =>
        writer.call('write', { kind: `${kind}s`, userId: USER }),
      );
      return { values: [pushes / seconds], usage };
    },
    verify: async () => {
      const tasks =
        'SELECT id, user_id, title, body, done, priority, amount, deleted_at FROM tasks ORDER BY id';
      await expectSame(database, tasks, limitDatabase, tasks);
    },
    curves: async () => {
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
async function sameTasks(database: Database, limitDatabase: Database, count: number): Promise<void> {
  await database.query(`SELECT add_tasks(1, ${count}, 1)`);
  const [row] = await database.query<{ tasks: unknown }>(
    'SELECT json_agg(t ORDER BY id) AS tasks FROM tasks AS t',
  );
  await limitDatabase.query('INSERT INTO tasks SELECT * FROM json_populate_recordset(NULL::tasks, $1)', [
    JSON.stringify(row?.tasks),
  ]);
  for (const each of [database, limitDatabase]) await each.query('VACUUM ANALYZE tasks');
}

/** The `updated_at` of each task, as a device would know it. */
async function versionsOf(database: Database): Promise<Map<string, string>> {
  const rows = await database.query<{ id: string; version: string }>(
    `SELECT id, to_json(updated_at) #>> '{}' AS version FROM tasks ORDER BY created_at, id`,
  );
  return new Map(rows.map(({ id, version }) => [id, version]));
}

function taskOf(id: string, turn: number, n: number): Task {
  return {
    id,
    title: `Task number ${n} of turn ${turn}`,
    body: `What there is to say about the task with the number ${n}`,
    done: turn % 2 === 0,
    priority: n % 5,
    amount: n * 0.25 + turn,
  };
}

/** As the SDKs send it: always the whole row. */
function change(kind: Kind, { id, ...data }: Task, versions: ReadonlyMap<string, string>): object {
  return {
    id,
    table_name: 'tasks',
    operation: kind,
    data: { id, user_id: USER, ...data },
    client_updated_at: new Date().toISOString(),
    base_updated_at: kind === 'create' ? null : versions.get(id),
  };
}

function learn(answer: string, versions: Map<string, string>): void {
  const { accepted, rejected } = JSON.parse(answer) as PushAnswer;
  if (rejected.length > 0) throw new Error(`a push was rejected: ${answer.slice(0, 500)}`);
  for (const { id, server_updated_at: version } of accepted) if (versions.has(id)) versions.set(id, version);
}
