import type { BenchRow, Comparison, Round } from '../../bench-row.js';
import { quantile } from '../../run/statistics.js';
import { BenchDevice, type PullAnswer } from '../../environment/device.js';
import { repeat, repeatFor } from '../../environment/http-load.js';
import { openDataset, watchLocks, type Dataset } from './dataset.js';
import type { Environment } from '../../environment/environment.js';

const LANES = 4;
/** Devices that really pull. */
const DEVICES = 100;
const VERIFIED = 20;

/** An app that has grown: a pull must cost what it did at the beginning, and compaction must be in nobody's way. */
export const manyClients: BenchRow = {
  name: 'many-clients',
  lines: [
    {
      name: 'many-clients',
      work: 'pull of 50 entries with 100,000 clients and 5,000,000 entries (quick: 10,000 and 500,000)',
      baseline: 'the same with 100 clients and 5,000 entries',
      unit: 'requests/s',
      target: 0.9,
    },
  ],
  large: true,
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const clients = environment.size(100_000, 10_000);
  const milliseconds = environment.size(3_000, 1_000);
  const large = await openDataset(environment, clients, DEVICES);
  const small = await openDataset(environment, DEVICES, DEVICES);
  const notes: string[] = [];

  const round = async ({ app, devices, start }: Dataset): Promise<Round> => {
    const bodies = devices.map((device) => device.pullBody(start, 100));
    let requests = 0;
    const { seconds, usage } = await environment.timed(app, async () => {
      requests = await repeatFor(milliseconds, LANES, async (n) => {
        const lane = n % DEVICES;
        await devices[lane]?.send('pull', bodies[lane] ?? '');
      });
    });
    return { values: [requests / seconds], usage };
  };

  return {
    subject: () => round(large),
    baseline: () => round(small),
    verify: async () => {
      for (const dataset of [large, small]) {
        for (const device of dataset.devices.slice(0, VERIFIED)) await verifyPull(dataset, device);
      }
      notes.push(await compactMeanwhile(large));
    },
    notes: async () => notes,
  };
}

/** The tasks of the user, each once, in the order of the log. */
async function verifyPull({ database, start }: Dataset, device: BenchDevice): Promise<void> {
  const answer: PullAnswer = JSON.parse(await device.send('pull', device.pullBody(start, 100)));
  const rows = await database.query<{ id: string }>(
    `SELECT record_id AS id FROM sync_changelog WHERE bucket_id = 'user:' || $1 AND seq > $2
      GROUP BY record_id ORDER BY min(seq)`,
    [device.userId, start],
  );
  if (answer.has_more || answer.changes.map(({ id }) => id).join() !== rows.map(({ id }) => id).join())
    throw new Error(`a pull of ${device.userId} is not what the log has`);
}

/** Compacts half of the log away while devices pull. @throws Error when one of the app's statements waits for a lock */
async function compactMeanwhile({ app, database, devices, start, entries }: Dataset): Promise<string> {
  const floor = start + Math.floor(entries / 2);
  await database.query('UPDATE sync_clients SET last_pull_seq = $1', [floor]);
  const times: number[] = [];
  let isOver = false;
  const locks = watchLocks(database, () => isOver);
  const pulls = repeat(Number.POSITIVE_INFINITY, LANES, async (n) => {
    const device = devices[n % devices.length];
    if (isOver || !device) throw new Error('over');
    const began = performance.now();
    await device.send('pull', device.pullBody(floor, 100));
    times.push(performance.now() - began);
  }).catch((error: unknown) => {
    if (!isOver) throw error;
  });
  // Told of below, once compaction is done.
  pulls.catch(() => undefined);
  const began = performance.now();
  const deleted = await app.call<number>('compact');
  const seconds = (performance.now() - began) / 1000;
  isOver = true;
  await pulls;
  const { looks, waits } = await locks;
  if (waits.length > 0) throw new Error(`while it compacted, there waited: ${waits.join('; ')}`);
  return (
    `many-clients: compaction of ${deleted} entries took ${seconds.toFixed(1)} s; ${times.length} pulls ` +
    `meanwhile, p50 ${quantile(times, 0.5).toFixed(1)} ms, p99 ${quantile(times, 0.99).toFixed(1)} ms; ` +
    `none waited for a lock (${looks} looks)`
  );
}
