import type { BenchRow, Comparison } from '../../bench-row.js';
import { usageSinceStart, type Usage } from '../../run/usage.js';
import type { Database } from '../../environment/database.js';
import { createSyncTables, expectSame } from '../../environment/same.js';
import type { Environment } from '../../environment/environment.js';

/** The first start on tables that are full: who sees which row is written for all of them. */
export const edgeBackfill: BenchRow = {
  name: 'edge-backfill',
  lines: [
    {
      name: 'edge-backfill',
      work: 'first start: edges of 400,000 tasks and 100,000 comments (quick: a tenth), begin to commit',
      baseline: 'bare INSERT … SELECT of the same edges in a transaction',
      unit: 'rows/s',
      target: 0.8,
    },
  ],
  large: true,
  rounds: { warmUps: 1, counted: 3 },
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const tasks = environment.size(400_000, 40_000);
  const comments = tasks / 4;
  const database = await environment.database();
  const baselineDatabase = await environment.database();
  for (const each of [database, baselineDatabase]) await fill(each, tasks, comments);
  await createSyncTables(baselineDatabase);
  let isFirst = true;

  return {
    subject: async () => {
      if (!isFirst) await forget(database);
      isFirst = false;
      let own: Pick<Usage, 'node' | 'peakMb'> = { node: 0, peakMb: 0 };
      const { usage } = await environment.timed(process, async () => {
        const app = await environment.app(database);
        await app.call('caughtUp');
        own = usageSinceStart(app.pid);
        await app.stop();
      });
      return { values: [(tasks + comments) / (await seconds(database))], usage: { ...usage, ...own } };
    },
    baseline: async () => {
      await baselineDatabase.query('TRUNCATE sync_bucket_edges');
      const { usage } = await environment.timed(process, async () => {
        await baselineDatabase.query(INSERT);
      });
      return { values: [(tasks + comments) / (await seconds(baselineDatabase))], usage };
    },
    verify: async () => {
      const edges = `SELECT table_name, record_id, bucket_id, live, row_updated_at, parent_id FROM sync_bucket_edges ORDER BY 1, 2, 3`;
      await expectSame(database, edges, baselineDatabase, edges);
    },
  };
}

/** In the order of the table's key: neighbours share their index pages. */
const INSERT = `
BEGIN;
INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id, row_updated_at, parent_id)
SELECT 'comments', c.id::text, 'user:' || t.user_id, c.updated_at, c.task_id::text
  FROM comments AS c JOIN tasks AS t ON t.id = c.task_id ORDER BY c.id;
INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id, row_updated_at)
SELECT 'tasks', id::text, 'user:' || user_id, updated_at FROM tasks ORDER BY id;
COMMIT`;

/** The same keys and times in both databases. */
async function fill(database: Database, tasks: number, comments: number): Promise<void> {
  await database.query(
    `INSERT INTO tasks (id, user_id, title, body, updated_at)
     SELECT md5('task ' || n)::uuid, 'user' || n % 1000, 'Task number ' || n, 'What there is to say about it',
            '2026-01-01'::timestamptz + n * interval '1 second'
       FROM generate_series(1, $1::int) AS n`,
    [tasks],
  );
  await database.query(
    `INSERT INTO comments (id, task_id, body, updated_at)
     SELECT md5('comment ' || n)::uuid, md5('task ' || n)::uuid, 'Comment number ' || n,
            '2026-01-01'::timestamptz + n * interval '1 second'
       FROM generate_series(1, $1::int) AS n`,
    [comments],
  );
  await database.query('VACUUM ANALYZE');
}

/** So that the next start is the first again. */
async function forget(database: Database): Promise<void> {
  await database.query('SELECT pg_drop_replication_slot($1)', [`${database.name}_slot`]);
  await database.query('TRUNCATE sync_bucket_edges, sync_changelog, sync_wal_position, sync_table_rules');
}

/** How long the transaction took that wrote the edges, by the server's clock. */
async function seconds(database: Database): Promise<number> {
  const [row] = await database.query<{ seconds: number }>(
    `SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - updated_at)::float8 AS seconds
       FROM sync_bucket_edges LIMIT 1`,
  );
  return row?.seconds ?? Number.NaN;
}
