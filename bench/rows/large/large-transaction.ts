import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchRow, Comparison } from '../../bench-row.js';
import { MemoryWatch } from '../../run/memory-watch.js';
import { quantile } from '../../run/statistics.js';
import { lastSeq } from '../../environment/changelog.js';
import { BenchDevice } from '../../environment/device.js';
import { drain, runFast } from '../../environment/drain.js';
import { HttpLoad } from '../../environment/http-load.js';
import { expectSame, baselineTables } from '../../environment/same.js';
import type { Environment } from '../../environment/environment.js';

const USERS = 100;
/** Pulls come from so many devices at once, each so often. */
const DEVICES = 4;
const EVERY_MS = 40;
const ALLOWED = { megabytes: 100, milliseconds: 100 } as const;

/** An import of everything at once: it must neither fill the memory nor stop the others. */
export const largeTransaction: BenchRow = {
  name: 'large-transaction',
  lines: [
    {
      name: 'large-transaction',
      work: 'WAL → changelog: a transaction of 1,000,000 inserts (quick: 100,000), while devices pull',
      baseline: 'a bare set-based writer of the same rows and edges, alone',
      unit: 'rows/s',
      target: 0.5,
    },
    {
      name: 'large-transaction-memory',
      work: 'what the app’s memory grows by meanwhile, at most',
      baseline: `${ALLOWED.megabytes} MB`,
      unit: 'MB',
      target: 1,
    },
    {
      name: 'large-transaction-pulls',
      work: 'pulls of others meanwhile, p99',
      baseline: `${ALLOWED.milliseconds} ms`,
      unit: 'ms',
      target: 1,
    },
  ],
  large: true,
  rounds: { warmUps: 0, counted: 1 },
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const rows = environment.size(1_000_000, 100_000);
  const database = await environment.database();
  const app = await environment.app(database);
  const baselineDatabase = await baselineTables(environment, database);
  const writer = await environment.baseline('set-writer', baselineDatabase);
  const load = new HttpLoad(app.url, DEVICES);
  const devices = await Promise.all(
    Array.from({ length: DEVICES }, (_, n) => new BenchDevice(load, `other${n}`).start()),
  );
  const before = await lastSeq(database);
  const times: number[] = [];
  let memory = '';

  return {
    subject: async () => {
      await warmUp(devices);
      let isOver = false;
      let pulls: Promise<unknown> = Promise.resolve();
      let watch: MemoryWatch | undefined;
      const round = await drain(environment, app, database, rows, async () => {
        await runFast(database, `CALL write_tasks(1, ${rows}, ${USERS}, ${rows})`);
        watch = new MemoryWatch(app.pid);
        pulls = Promise.all(devices.map((device) => pullAtTimes(device, () => isOver, times)));
        // Told of below, once all is consumed.
        pulls.catch(() => undefined);
      });
      isOver = true;
      await pulls;
      watch?.stop();
      memory = watch?.describe() ?? '';
      return { ...round, values: [round.values[0] ?? 0, watch?.growth() ?? 0, quantile(times, 0.99)] };
    },
    baseline: async () => {
      await writer.call('load', { url: database.url, after: before });
      const { seconds, usage } = await environment.timed(writer, () => writer.call('write', 'insert'));
      return { values: [rows / seconds, ALLOWED.megabytes, ALLOWED.milliseconds], usage };
    },
    verify: async () => {
      const edges = `SELECT table_name, record_id, bucket_id, live, row_updated_at FROM sync_bucket_edges ORDER BY 1, 2, 3`;
      await expectSame(database, edges, baselineDatabase, edges);
      const entries = `SELECT seq, table_name, record_id, bucket_id, operation, served_at FROM sync_changelog ORDER BY 1`;
      await expectSame(database, entries, baselineDatabase, entries);
    },
    notes: async () => [
      `large-transaction: while it was consumed, ${memory}`,
      `large-transaction: ${times.length} pulls of others, p50 ${quantile(times, 0.5).toFixed(1)} ms, ` +
        `p99 ${quantile(times, 0.99).toFixed(1)} ms, at most ${Math.max(...times).toFixed(1)} ms`,
    ],
  };
}

async function warmUp(devices: readonly BenchDevice[]): Promise<void> {
  for (const device of devices)
    for (let n = 0; n < 50; n++) await device.send('pull', device.pullBody(device.checkpoint, 100));
}

/** At a steady rate; one that takes longer delays the next. */
async function pullAtTimes(device: BenchDevice, isOver: () => boolean, times: number[]): Promise<void> {
  while (!isOver()) {
    const began = performance.now();
    await device.send('pull', device.pullBody(device.checkpoint, 100));
    const time = performance.now() - began;
    times.push(time);
    await sleep(Math.max(0, EVERY_MS - time));
  }
}
