import type { BenchRow, Curve, Comparison, Round } from '../bench-row.js';
import { lastSeq } from '../environment/changelog.js';
import { drain, runFast } from '../environment/drain.js';
import { expectSame, baselineTables, textOf } from '../environment/same.js';
import type { Environment } from '../environment/environment.js';

/** Users, and so buckets. */
const USERS = 100;

/** The log of inserted rows, from a backlog: how fast the consumer is when it has all to do. */
export const walInserts: readonly BenchRow[] = [100, 1].map((perTransaction) => ({
  name: `wal-inserts-${perTransaction}`,
  lines: [
    {
      name: `wal-inserts-${perTransaction}`,
      work: `WAL → changelog: inserts in transactions of ${perTransaction}, edges written`,
      baseline: 'a bare set-based writer of the same rows and edges',
      unit: 'rows/s',
      target: 0.8,
      floor: 25_000,
    },
  ],
  prepare: async (environment) => prepare(environment, perTransaction),
}));

async function prepare(environment: Environment, perTransaction: number): Promise<Comparison> {
  const rows = environment.size(60_000, 10_000);
  const database = await environment.database();
  const app = await environment.app(database);
  const baselineDatabase = await baselineTables(environment, database);
  const writer = await environment.baseline('set-writer', baselineDatabase);
  let written = 0;
  let before = await lastSeq(database);

  /** @returns rows a second */
  const insert = async (count: number, inEach: number): Promise<Round> => {
    before = await lastSeq(database);
    const first = written + 1;
    written += count;
    return drain(environment, app, database, count, () =>
      runFast(database, `CALL write_tasks(${first}, ${written}, ${USERS}, ${inEach})`),
    );
  };

  return {
    subject: () => insert(rows, perTransaction),
    baseline: async () => {
      await writer.call('load', { url: database.url, after: before });
      const { seconds, usage } = await environment.timed(writer, () => writer.call('write'));
      return { values: [rows / seconds], usage };
    },
    verify: async () => {
      const edges = `SELECT table_name, record_id, bucket_id, live, row_updated_at FROM sync_bucket_edges ORDER BY 1, 2, 3`;
      await expectSame(database, edges, baselineDatabase, edges);
      const entries = `SELECT seq, table_name, record_id, bucket_id, operation, served_at FROM sync_changelog ORDER BY 1`;
      await expectSame(database, entries, baselineDatabase, entries);
      const tasks = `SELECT 'tasks', id::text, 'user:' || user_id, true, updated_at FROM tasks ORDER BY id::text COLLATE "C"`;
      if ((await textOf(database, edges)) !== (await textOf(database, tasks)))
        throw new Error('the edges are not those of the tasks');
    },
    curves: async () => (perTransaction === 1 ? [] : [await curve(insert, environment.size(10_000, 3_000))]),
  };
}

async function curve(insert: (rows: number, inEach: number) => Promise<Round>, rows: number): Promise<Curve> {
  const points: [number, number][] = [];
  for (const inEach of [1, 10, 100, 1_000]) {
    const { values } = await insert(rows, inEach);
    points.push([inEach, (1000 / (values[0] ?? 0)) * 1000]);
  }
  return { name: 'WAL → changelog, 1,000 rows in transactions of n', points };
}
