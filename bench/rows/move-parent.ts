import type { BenchRow, Comparison } from '../bench-row.js';
import { lastSeq } from '../environment/changelog.js';
import type { Database } from '../environment/database.js';
import { drain } from '../environment/drain.js';
import { expectSame, baselineTables } from '../environment/same.js';
import type { Environment } from '../environment/environment.js';

const PARENT = '00000000-0000-4000-8000-000000000001';
const OWNERS = ['owner0', 'owner1'] as const;

/** A task with many comments gets another owner: each comment leaves one bucket and comes into another. */
export const moveParent: BenchRow = {
  name: 'move-parent',
  lines: [
    {
      name: 'move-parent',
      work: 'children of a moved parent, 100,000 (quick: 20,000), each with two entries',
      baseline: 'one statement: DELETE of the old edges, INSERT … SELECT of the new ones and of the entries',
      unit: 'rows/s',
      target: 0.5,
    },
  ],
  rounds: { warmUps: 1, counted: 3 },
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const children = environment.size(100_000, 20_000);
  const database = await environment.database();
  await family(database, children);
  const app = await environment.app(database);
  const baselineDatabase = await baselineTables(environment, database);
  await family(baselineDatabase, children);
  await baselineDatabase.query(
    `INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id, row_updated_at, parent_id)
     SELECT 'comments', id::text, 'user:${OWNERS[0]}', updated_at, task_id::text FROM comments ORDER BY id`,
  );
  for (const each of [database, baselineDatabase]) await each.query('VACUUM ANALYZE');
  await app.call('caughtUp');
  const firstSeq = await lastSeq(database);
  let [from, to]: readonly string[] = [...OWNERS].toReversed();

  return {
    subject: async () => {
      [from, to] = [to, from];
      const round = await drain(environment, app, database, 2 * (children + 1), async () => {
        await database.query('UPDATE tasks SET user_id = $1, updated_at = clock_timestamp()', [to]);
      });
      return { ...round, values: [((round.values[0] ?? 0) * children) / (2 * (children + 1))] };
    },
    baseline: async () => {
      const backend = { pid: process.pid };
      const { seconds, usage } = await environment.timed(backend, async () => {
        await baselineDatabase.query(MOVE, [PARENT, `user:${from}`, `user:${to}`]);
      });
      return { values: [children / seconds], usage };
    },
    verify: async () => {
      const edges = `SELECT record_id, bucket_id, live, row_updated_at, parent_id FROM sync_bucket_edges
        WHERE table_name = 'comments' ORDER BY 1, 2`;
      await expectSame(database, edges, baselineDatabase, edges);
      const entries = `SELECT record_id, bucket_id, operation, served_at IS NULL FROM sync_changelog
        WHERE table_name = 'comments' AND seq > ${firstSeq} ORDER BY record_id, seq`;
      await expectSame(database, entries, baselineDatabase, entries);
    },
  };
}

/** The same keys and times in both databases. */
async function family(database: Database, children: number): Promise<void> {
  await database.query(
    `INSERT INTO tasks (id, user_id, title, body) VALUES ($1, $2, 'A task', 'of much talk')`,
    [PARENT, OWNERS[0]],
  );
  await database.query(
    `INSERT INTO comments (id, task_id, body, updated_at)
     SELECT md5('comment ' || n)::uuid, $1, 'Comment number ' || n, '2026-01-01'::timestamptz + n * interval '1 second'
       FROM generate_series(1, $2::int) AS n`,
    [PARENT, children],
  );
}

/** It knows that nothing else is in the old bucket. */
const MOVE = `
WITH gone AS (
  DELETE FROM sync_bucket_edges WHERE bucket_id = $2
), moved AS (
  SELECT id::text AS id, updated_at, row_number() OVER (ORDER BY id) AS n FROM comments WHERE task_id = $1::uuid
), edge AS (
  INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id, row_updated_at, parent_id)
  SELECT 'comments', id, $3, updated_at, $1::text FROM moved ORDER BY id
), entry AS (
  INSERT INTO sync_changelog (seq, table_name, record_id, bucket_id, operation, served_at)
  SELECT p.last_seq + 2 * n - 1 + o.place, 'comments', id, o.bucket, o.operation, o.served_at
    FROM moved CROSS JOIN sync_wal_position AS p
   CROSS JOIN LATERAL (VALUES (0, $2, 3, NULL), (1, $3, 1, now())) AS o (place, bucket, operation, served_at)
   ORDER BY n, place
)
UPDATE sync_wal_position SET last_seq = last_seq + 2 * (SELECT count(*) FROM moved)`;
