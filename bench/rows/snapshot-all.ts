import type { BenchRow, Comparison } from '../bench-row.js';
import { BenchDevice } from '../environment/device.js';
import { HttpLoad } from '../environment/http-load.js';
import { recordsOf } from '../environment/records.js';
import type { Environment } from '../environment/environment.js';

/** A new device of a user who has much. */
export const snapshotAll: BenchRow = {
  name: 'snapshot-all',
  lines: [
    {
      name: 'snapshot-all',
      work: 'snapshot of 100,000 rows (quick: 20,000) in pages of 1,000, over HTTP',
      baseline: 'COPY (SELECT row_to_json(…)) TO STDOUT of the same rows, unordered, no HTTP',
      unit: 'rows/s',
      target: 0.3,
    },
  ],
  rounds: { warmUps: 1, counted: 5 },
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const rows = environment.size(100_000, 20_000);
  const database = await environment.database();
  await database.query(`SELECT add_tasks(1, ${rows}, 1)`);
  const app = await environment.app(database);
  const copy = await environment.baseline('copy-out', database);
  await database.query('VACUUM ANALYZE');
  const load = new HttpLoad(app.url);

  const snapshot = async (onPage: (text: string) => void): Promise<void> => {
    const device = await new BenchDevice(load, 'user0').register();
    await device.snapshot(onPage);
  };

  return {
    subject: async () => {
      const { seconds, usage } = await environment.timed(app, () => snapshot(() => undefined));
      return { values: [rows / seconds], usage };
    },
    baseline: async () => {
      const { seconds, usage } = await environment.timed(copy, async () => void (await copy.call('copy')));
      return { values: [rows / seconds], usage };
    },
    verify: async () => {
      const mine: object[] = [];
      await snapshot((text) => mine.push(...recordsOf(text)));
      const lines = (await copy.call<string>('lines')).trimEnd().split('\n');
      const its = recordsOf(`{"records":[${lines.join()}]}`);
      if (mine.length !== rows || sorted(mine) !== sorted(its))
        throw new Error(`a snapshot has ${mine.length} records, the table ${its.length}, or they differ`);
    },
  };
}

function sorted(records: readonly object[]): string {
  return records
    .map((record) => JSON.stringify(record))
    .toSorted()
    .join('\n');
}
