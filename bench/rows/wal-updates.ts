import type { BenchRow, Comparison } from '../bench-row.js';
import { lastSeq, reached } from '../environment/changelog.js';
import { drain, runFast } from '../environment/drain.js';
import { expectSame, baselineTables } from '../environment/same.js';
import type { Environment } from '../environment/environment.js';

/** Users, and so buckets. */
const USERS = 100;
const PER_TRANSACTION = 100;

/** The log of updated rows that stay in their buckets, from a backlog: most of what an app writes. */
export const walUpdates: BenchRow = {
  name: 'wal-updates',
  lines: [
    {
      name: 'wal-updates',
      work: `WAL → changelog: updates that move nothing, in transactions of ${PER_TRANSACTION}`,
      baseline: 'a bare set-based writer of the same entries and of the rows’ times in the same edges',
      unit: 'rows/s',
      target: 0.8,
      floor: 35_000,
    },
  ],
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const rows = environment.size(60_000, 10_000);
  const database = await environment.database();
  const app = await environment.app(database);
  const baselineDatabase = await baselineTables(environment, database);
  const writer = await environment.baseline('set-writer', baselineDatabase);
  let before = await lastSeq(database);
  await runFast(database, `CALL write_tasks(1, ${rows}, ${USERS}, ${PER_TRANSACTION})`);
  await reached(database, before + rows);
  await writer.call('load', { url: database.url, after: before });
  await writer.call('write', 'insert');
  for (const each of [database, baselineDatabase]) await each.query('VACUUM ANALYZE');

  return {
    subject: async () => {
      before = await lastSeq(database);
      return drain(environment, app, database, rows, () =>
        runFast(database, `CALL update_tasks(${PER_TRANSACTION})`),
      );
    },
    baseline: async () => {
      await writer.call('load', { url: database.url, after: before });
      const { seconds, usage } = await environment.timed(writer, () => writer.call('write', 'update'));
      return { values: [rows / seconds], usage };
    },
    verify: async () => {
      const edges = `SELECT table_name, record_id, bucket_id, live, row_updated_at FROM sync_bucket_edges ORDER BY 1, 2, 3`;
      await expectSame(database, edges, baselineDatabase, edges);
      const entries = `SELECT seq, table_name, record_id, bucket_id, operation, served_at FROM sync_changelog ORDER BY 1`;
      await expectSame(database, entries, baselineDatabase, entries);
    },
  };
}
