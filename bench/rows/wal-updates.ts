import type { BenchRow, Duel } from '../bench-row.js';
import { lastSeq, reached } from '../stage/changelog.js';
import { drain, runFast } from '../stage/drain.js';
import { expectSame, limitTables } from '../stage/same.js';
import type { Stage } from '../stage/stage.js';

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
      limit: 'a bare set-based writer of the same entries and of the rows’ times in the same edges',
      unit: 'rows/s',
      target: 0.8,
      floor: 35_000,
    },
  ],
  prepare,
};

async function prepare(stage: Stage): Promise<Duel> {
  const rows = stage.size(60_000, 10_000);
  const database = await stage.database();
  const app = await stage.app(database);
  const limitDatabase = await limitTables(stage, database);
  const writer = await stage.limit('set-writer', limitDatabase);
  let before = await lastSeq(database);
  await runFast(database, `CALL write_tasks(1, ${rows}, ${USERS}, ${PER_TRANSACTION})`);
  await reached(database, before + rows);
  await writer.call('load', { url: database.url, after: before });
  await writer.call('write', 'insert');
  for (const each of [database, limitDatabase]) await each.query('VACUUM ANALYZE');

  return {
    subject: async () => {
      before = await lastSeq(database);
      return drain(stage, app, database, rows, () =>
        runFast(database, `CALL update_tasks(${PER_TRANSACTION})`),
      );
    },
    limit: async () => {
      await writer.call('load', { url: database.url, after: before });
      const { seconds, usage } = await stage.timed(writer, () => writer.call('write', 'update'));
      return { values: [rows / seconds], usage };
    },
    verify: async () => {
      const edges = `SELECT table_name, record_id, bucket_id, live, row_updated_at FROM sync_bucket_edges ORDER BY 1, 2, 3`;
      await expectSame(database, edges, limitDatabase, edges);
      const entries = `SELECT seq, table_name, record_id, bucket_id, operation, served_at FROM sync_changelog ORDER BY 1`;
      await expectSame(database, entries, limitDatabase, entries);
    },
  };
}
