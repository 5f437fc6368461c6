import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startAppProcess, type AppProcess } from '../../support/app-process.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { eventually } from '../../support/wait.js';

const MAIN = fileURLToPath(new URL('../../support/wide-rows-app.mjs', import.meta.url));
const ROWS = 90;
/** Of each wide row, in MB: all of them are more than the heap. */
const MEGABYTES = 2;
const HEAP = 150;
const TIMEOUT = 240_000;

let database: TestDatabase;
let app: AppProcess | undefined;

beforeEach(async () => {
  database = await createDatabase();
  for (const table of ['files', 'papers'])
    await database.query(`CREATE TABLE ${table} (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id text,
      title text NOT NULL DEFAULT '', content text, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`);
  await database.query(`CREATE FUNCTION paper_buckets (table_name text, operation text, new_row jsonb, old_row jsonb)
    RETURNS SETOF text LANGUAGE sql AS $$ SELECT 'length:' || length(new_row->>'content') $$`);
});

afterEach(async () => {
  await app?.kill();
  app = undefined;
  await database.drop();
});

async function insert(table: string, rows: number, megabytes: number, title = ''): Promise<void> {
  await database.query(
    `INSERT INTO ${table} (user_id, title, content)
     SELECT 'alice', $1, repeat(md5(n::text), ${Math.round(megabytes * 32 * 1024)}) FROM generate_series(1, ${rows}) n`,
    [title],
  );
}

async function start(): Promise<void> {
  app = await startAppProcess({
    database,
    main: MAIN,
    startTimeout: 180_000,
    env: { NODE_OPTIONS: `--max-old-space-size=${HEAP}` },
  });
}

/** Resolves once so many rows of a table are in the log's edges; the app must not have ended by then. */
async function known(table: string, rows: number): Promise<void> {
  await eventually(
    async () => {
      const [row] = await database.query<{ rows: number }>(
        'SELECT count(DISTINCT record_id)::int AS rows FROM sync_bucket_edges WHERE table_name = $1',
        [table],
      );
      return row?.rows === rows;
    },
    { timeout: 180_000, interval: 200 },
  );
}

it.each(['files', 'papers'])(
  'wide rows are there at the first start, behind narrow ones: %s [W-HOST-8]',
  async (table) => {
    await insert(table, 1_500, 0);
    await insert(table, ROWS, MEGABYTES);
    await start();
    await known(table, 1_500 + ROWS);
  },
  TIMEOUT,
);

it(
  'wide rows change in one transaction, their content being none that the log has [W-HOST-8]',
  { timeout: TIMEOUT },
  async () => {
    await start();
    await insert('files', ROWS, MEGABYTES);
    await known('files', ROWS);
    await database.query(`UPDATE files SET title = 'another'`);
    await eventually(
      async () => {
        const [row] = await database.query<{ updates: number }>(
          `SELECT count(*)::int AS updates FROM sync_changelog WHERE operation = 2`,
        );
        return row?.updates === 2 * ROWS;
      },
      { timeout: 180_000, interval: 200 },
    );
    expect(await database.query('SELECT FROM sync_rule_failures')).toEqual([]);
  },
);

it('wide rows are deleted under REPLICA IDENTITY FULL [W-HOST-8]', { timeout: TIMEOUT }, async () => {
  await database.query('ALTER TABLE files REPLICA IDENTITY FULL');
  await start();
  await insert('files', ROWS, MEGABYTES);
  await known('files', ROWS);
  await database.query('DELETE FROM files');
  await known('files', 0);
});
