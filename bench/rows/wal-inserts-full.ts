import type { BenchRow, Comparison, Round } from '../bench-row.js';
import type { Database } from '../environment/database.js';
import { drain, runFast } from '../environment/drain.js';
import type { NodeProcess } from '../environment/node-process.js';
import { expectSame } from '../environment/same.js';
import type { Environment } from '../environment/environment.js';

const USERS = 100;
const PER_TRANSACTION = 100;

/** The consumer once there is much: what a row costs must not depend on how many there are. */
export const walInsertsFull: BenchRow = {
  name: 'wal-inserts-full',
  lines: [
    {
      name: 'wal-inserts-full',
      work: 'WAL → changelog: inserts where 2,000,000 edges are already (quick: 300,000)',
      baseline: 'the same where there are none',
      unit: 'rows/s',
      target: 0.7,
    },
  ],
  prepare,
};

async function prepare(environment: Environment): Promise<Comparison> {
  const rows = environment.size(20_000, 10_000);
  const edges = environment.size(2_000_000, 300_000);
  const full = await synced(environment);
  const fresh = await synced(environment);
  await addEdges(full.database, edges);
  const written = new Map<Database, number>();

  const insert = async ({ app, database }: Synced): Promise<Round> => {
    const first = (written.get(database) ?? 0) + 1;
    const last = first + rows - 1;
    written.set(database, last);
    return drain(environment, app, database, rows, () =>
      runFast(database, `CALL write_tasks(${first}, ${last}, ${USERS}, ${PER_TRANSACTION})`),
    );
  };

  return {
    subject: () => insert(full),
    baseline: () => insert(fresh),
    verify: async () => {
      // Their keys are random: titles tell which row is which.
      const entries = `SELECT t.title, l.seq, l.bucket_id, l.operation, l.served_at IS NULL, e.live, e.row_updated_at = t.updated_at
         FROM tasks t JOIN sync_changelog l ON l.table_name = 'tasks' AND l.record_id = t.id::text
         JOIN sync_bucket_edges e USING (table_name, record_id, bucket_id) ORDER BY l.seq`;
      await expectSame(full.database, entries, fresh.database, entries);
    },
  };
}

interface Synced {
  readonly app: NodeProcess;
  readonly database: Database;
}

async function synced(environment: Environment): Promise<Synced> {
  const database = await environment.database();
  return { database, app: await environment.app(database) };
}

/** Edges of rows that nobody touches: the consumer looks up, and its indexes have to be kept up. */
async function addEdges(database: Database, count: number): Promise<void> {
  await runFast(
    database,
    `INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id, row_updated_at)
     SELECT 'tasks', id::text, 'user:user' || n % ${USERS}, now()
       FROM (SELECT n, gen_random_uuid() AS id FROM generate_series(1, ${count}) AS n) AS r ORDER BY id`,
  );
  await database.query('VACUUM ANALYZE sync_bucket_edges');
}
