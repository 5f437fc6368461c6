import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRow, Comparison, Round } from '../bench-row.js';
import { quantile } from '../run/statistics.js';
import type { Database } from '../environment/database.js';
import { BenchDevice, type PullAnswer } from '../environment/device.js';
import { HttpLoad } from '../environment/http-load.js';
import type { NodeProcess } from '../environment/node-process.js';
import type { Environment } from '../environment/environment.js';

const USER = 'user0';
/** Milliseconds that may come on top of the source commit. */
const ALLOWED = { p50: 3, p99: 15 } as const;

/**
 * From the moment that a commit is asked for until a pull sees the row: how long the commit takes, and the time from
 * its record to that of the consumer's commit, by the server's own clock. A baseline is a source commit where nobody
 * consumes, and what may come on top of it: the ratio is 1 where that is used up.
 */
export const visibility: readonly BenchRow[] = [50, 500].map((rate) => ({
  name: `visible-${rate}`,
  lines: (['p50', 'p99'] as const).map((share) => ({
    name: `visible-${rate}-${share}`,
    work: `commit → visible to a pull at ${rate} commits a second, ${share}`,
    baseline: `the source commit itself, and ${ALLOWED[share]} ms`,
    unit: 'ms',
    target: 1,
  })),
  prepare: (environment) => prepare(environment, rate),
}));

async function prepare(environment: Environment, rate: number): Promise<Comparison> {
  const commits = environment.size(3, 1) * rate;
  const database = await environment.database();
  const baselineDatabase = await environment.database();
  const app = await environment.app(database);
  const device = await new BenchDevice(new HttpLoad(app.url), USER).start();
  const above: number[] = [];

  return {
    subject: async () => {
      const round = await commitAtRate(environment, app, database, commits, rate);
      await app.call('caughtUp');
      const later = await consumedAfter(database, [...round.times.keys()]);
      above.push(...later.values());
      return {
        values: both([...round.times].map(([id, time]) => time + (later.get(id) ?? Number.NaN))),
        usage: round.usage,
      };
    },
    baseline: async () => {
      const { times, usage } = await commitAtRate(environment, app, baselineDatabase, commits, rate);
      const [p50, p99] = both([...times.values()]);
      return { values: [p50 + ALLOWED.p50, p99 + ALLOWED.p99], usage };
    },
    verify: async () => {
      const pulled = await pullAll(device);
      const rows = await database.query<{ id: string }>('SELECT id FROM tasks');
      if (rows.length !== pulled.size || !rows.every(({ id }) => pulled.has(id)))
        throw new Error(`pulls brought ${pulled.size} of ${rows.length} rows`);
    },
    notes: async () => {
      const seen = await seenByPulls(database, device, environment.size(100, 20));
      return [
        `visible-${rate}: ${text(above)} above the source commit; by itself, to a device that pulls back to back, ` +
          `${text(seen)} after the commit was answered`,
      ];
    },
  };
}

/** One-row transactions at a steady rate. @returns how long each COMMIT took, by id */
async function commitAtRate(
  environment: Environment,
  app: NodeProcess,
  database: Database,
  commits: number,
  rate: number,
): Promise<{ times: ReadonlyMap<string, number>; usage: Round['usage'] }> {
  const times = new Map<string, number>();
  const { usage } = await environment.timed(app, async () => {
    const began = performance.now();
    const running: Promise<void>[] = [];
    for (let n = 0; n < commits; n++) {
      const wait = began + (n * 1000) / rate - performance.now();
      if (wait > 0) await sleep(wait);
      const id = randomUUID();
      running.push(commitOne(database, id).then((time) => void times.set(id, time)));
    }
    await Promise.all(running);
  });
  return { times, usage };
}

async function commitOne(database: Database, id: string): Promise<number> {
  const client = await database.pool.connect();
  await client.query('BEGIN');
  await client.query({
    name: 'insert',
    text: `INSERT INTO tasks (id, user_id, title, body) VALUES ($1, '${USER}', 'A task', 'that somebody waits for')`,
    values: [id],
  });
  const began = performance.now();
  await client.query('COMMIT');
  const time = performance.now() - began;
  client.release();
  return time;
}

/** Milliseconds from the commit of each row to that of its entry. */
async function consumedAfter(
  database: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await database.query<{ id: string; ms: number }>(
    `SELECT t.id, (extract(epoch FROM pg_xact_commit_timestamp(l.xmin) - pg_xact_commit_timestamp(t.xmin)) * 1000)::float8 AS ms
       FROM tasks t JOIN sync_changelog l ON l.table_name = 'tasks' AND l.record_id = t.id::text
      WHERE t.id = ANY($1::uuid[])`,
    [ids],
  );
  return new Map(rows.map(({ id, ms }) => [id, ms]));
}

async function pullAll(device: BenchDevice): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (let more = true; more;) {
    const page: PullAnswer = JSON.parse(await device.send('pull', device.pullBody(device.checkpoint, 1000)));
    for (const { id } of page.changes) ids.add(id);
    device.checkpoint = page.checkpoint;
    more = page.has_more;
  }
  return ids;
}

/** Milliseconds from the answer to a COMMIT until a pull has brought the row. */
async function seenByPulls(
  database: Database,
  device: BenchDevice,
  times: number,
): Promise<readonly number[]> {
  const seen: number[] = [];
  for (let n = 0; n < times; n++) {
    const id = randomUUID();
    await commitOne(database, id);
    const began = performance.now();
    while (!(await pullAll(device)).has(id));
    seen.push(performance.now() - began);
    await sleep(20);
  }
  return seen;
}

function both(times: readonly number[]): [p50: number, p99: number] {
  return [quantile(times, 0.5), quantile(times, 0.99)];
}

function text(times: readonly number[]): string {
  const [p50, p99] = both(times);
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
}
