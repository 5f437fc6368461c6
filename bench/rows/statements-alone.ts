import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { pipelined } from '../../lib/database/pipeline.js';
import type { BenchRow, Comparison, Line, Round } from '../bench-row.js';
import { LOOK_UP, readTasks, writeTasks, type WriteKind } from '../baselines/statements.js';
import { lastSeq, reached } from '../environment/changelog.js';
import { BenchDevice, type PushAnswer } from '../environment/device.js';
import { HttpLoad } from '../environment/http-load.js';
import type { NodeProcess } from '../environment/node-process.js';
import { recordsOf } from '../environment/records.js';
import type { SentStatement } from '../environment/recorder.js';
import { copyRows, expectSame } from '../environment/same.js';
import type { Environment } from '../environment/environment.js';

const USER = 'user0';
const BATCH = 100;
const PAGE = 1_000;
/** In the titles of what is recorded; each time that it is sent again there is another in its place. */
const MARK = 'as recorded';

const line = (name: string, work: string, baseline: string, target: number): Line => ({
  name: `statements-${name}`,
  work: `statements of a ${work} alone, sent together: no HTTP, nothing checked or judged, no changelog`,
  baseline,
  unit: 'requests/s',
  target,
});

/** How near the statements of a request, in the order in which they are sent, come to the best that the database does. */
export const statementsAlone: BenchRow = {
  name: 'statements',
  lines: [
    line(
      'push-creates',
      `push of ${BATCH} creates`,
      'one INSERT … SELECT FROM json_populate_recordset in a transaction, same driver',
      0.4,
    ),
    line(
      'push-updates',
      `push of ${BATCH} updates`,
      'one set-based UPDATE in a transaction, same driver',
      0.4,
    ),
    line('pull', `pull of ${PAGE} changes`, 'one statement that reads the same rows as JSON text', 0.7),
  ],
  prepare,
};

type Statements = readonly SentStatement[];

interface Task {
  readonly id: string;
  readonly title: string;
}

async function prepare(environment: Environment): Promise<Comparison> {
  const times = environment.size(40, 20);
  const [database, baselineDatabase] = [await environment.database(), await environment.database()];
  const app = await environment.app(database);
  const device = await new BenchDevice(new HttpLoad(app.url), USER).start();
  const before = await lastSeq(database);
  await database.query(`CALL write_tasks(1, ${10 * PAGE}, 1, 100)`);
  await reached(database, before + 10 * PAGE);
  const ids = Array.from({ length: BATCH }, () => randomUUID());
  const created = await recorded(app, () => push(device, tasksOf(ids, MARK), null));
  const updated = await push(device, tasksOf(ids, 'in between'), created.result);
  const { statements: updates } = await recorded(app, () => push(device, tasksOf(ids, MARK), updated));
  // From a checkpoint of which it was told that there is more, nobody asks whether there is.
  const page = async (checkpoint: number): Promise<string> =>
    device.send('pull', device.pullBody(checkpoint, PAGE));
  const { checkpoint } = JSON.parse(await page(before)) as { readonly checkpoint: number };
  const { statements: pull } = await recorded(app, () => page(checkpoint));
  const keys = recordsOf(await page(checkpoint)).map((record) => (record as Task).id);
  await app.call('caughtUp');
  await environment.end(app);
  await copyRows(database, baselineDatabase, 'tasks');
  for (const each of [database, baselineDatabase]) await each.query('VACUUM ANALYZE');

  const source = await new DataSource({ type: 'postgres', url: database.url }).initialize();
  const runner = source.createQueryRunner();
  const client = new Client({
    connectionString: baselineDatabase.url,
    options: `-c TimeZone=UTC ${LOOK_UP}`,
  });
  // Its database goes with the row, however that ends.
  client.on('error', () => undefined);
  await client.connect();
  const write = (kind: WriteKind, tasks: readonly Task[]): Promise<void> =>
    writeTasks(client, kind, JSON.stringify(tasks), USER);
  const read = (): Promise<string> => readTasks(client, `{${keys.join(',')}}`);
  const send = (statements: Statements): Promise<Rows> => pipelined(runner.manager, statements);
  let turn = 0;
  let made: readonly (readonly Task[])[] = [];

  return {
    subject: async () => {
      turn += 1;
      const texts = [JSON.stringify(created.statements), JSON.stringify(updates)] as const;
      made = Array.from({ length: times }, (_, n) =>
        tasksOf(
          ids.map(() => randomUUID()),
          `${turn}.${n}`,
        ),
      );
      const inserts = made.map((tasks) =>
        again(
          tasks.reduce((text, { id }, n) => text.replaceAll(ids[n] ?? '', id), texts[0]),
          tasks,
        ),
      );
      const changes = made.map((tasks) => again(texts[1], tasks));
      return timed(environment, times, [
        (n) => send(inserts[n] ?? []),
        (n) => send(changes[n] ?? []),
        () => send(pull),
      ]);
    },
    baseline: async () => {
      const changed = made.map((tasks) => tasks.map((task, n) => ({ ...task, id: ids[n] ?? '' })));
      return timed(environment, times, [
        (n) => write('creates', made[n] ?? []),
        (n) => write('updates', changed[n] ?? []),
        read,
      ]);
    },
    verify: async () => {
      const tasks = 'SELECT id, user_id, title, body, done, priority, amount FROM tasks ORDER BY id';
      await expectSame(database, tasks, baselineDatabase, tasks);
      const [answer] = (await send(pull)).slice(-2) as readonly (readonly { readonly text: string }[])[];
      const [mine, its] = [answer?.[0]?.text ?? '', await read()].map((text) =>
        JSON.stringify(recordsOf(`{"changes":[${text}]}`)),
      );
      await Promise.all([source.destroy(), client.end()]);
      if (mine !== its) throw new Error('the statements of a pull bring other rows than its baseline');
    },
  };
}

type Rows = Awaited<ReturnType<typeof pipelined>>;

/** What an app sends for a request from BEGIN to COMMIT. */
async function recorded<Result>(
  app: NodeProcess,
  request: () => Promise<Result>,
): Promise<{ readonly statements: Statements; readonly result: Result }> {
  await app.call('startRecording');
  const result = await request();
  const statements = await app.call<Statements>('endRecording');
  const [first, last] = [
    statements.findIndex(({ sql }) => sql.startsWith('BEGIN')),
    statements.findLastIndex(({ sql }) => sql === 'COMMIT'),
  ];
  if (first < 0 || last < first) throw new Error('a request was answered without a transaction');
  return { statements: statements.slice(first, last + 1), result };
}

/** @returns the version of each task */
async function push(
  device: BenchDevice,
  tasks: readonly Task[],
  versions: ReadonlyMap<string, string> | null,
): Promise<ReadonlyMap<string, string>> {
  const changes = tasks.map(({ id, ...data }) => ({
    id,
    table_name: 'tasks',
    operation: versions === null ? 'create' : 'update',
    data: { id, user_id: USER, ...data },
    client_updated_at: new Date().toISOString(),
    base_updated_at: versions?.get(id) ?? null,
  }));
  const answer = JSON.parse(await device.send('push', device.pushBody(changes))) as PushAnswer;
  if (answer.rejected.length > 0) throw new Error(`a push was rejected: ${JSON.stringify(answer.rejected)}`);
  return new Map(answer.accepted.map(({ id, server_updated_at: version }) => [id, version]));
}

function tasksOf(ids: readonly string[], mark: string): readonly Task[] {
  return ids.map((id, n) => ({
    id,
    title: `Task number ${n} ${mark}`,
    body: `What there is to say about the task with the number ${n}`,
    done: false,
    priority: n % 5,
    amount: n * 0.25,
  }));
}

/** What was recorded, with other titles. */
function again(text: string, [first]: readonly Task[]): Statements {
  const mark = first?.title.slice('Task number 0 '.length) ?? '';
  return JSON.parse(text.replaceAll(MARK, mark)) as Statements;
}

/** How often a second each of some works can be done, one after the other. */
async function timed(
  environment: Environment,
  times: number,
  works: readonly ((n: number) => Promise<unknown>)[],
): Promise<Round> {
  const values: number[] = [];
  const { usage } = await environment.timed({ pid: process.pid }, async () => {
    for (const work of works) {
      const began = performance.now();
      for (let n = 0; n < times; n++) await work(n);
      values.push((1000 * times) / (performance.now() - began));
    }
  });
  return { values, usage };
}
