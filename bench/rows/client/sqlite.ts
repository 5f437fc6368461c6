import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createSync, type AnyTables, type Sync } from 'nestjs-synchro-client';
import { sqliteStore, type SqliteDatabase } from 'nestjs-synchro-client/sqlite';
import { temporaryFolder } from '../../../test/support/temporary-folder.js';
import type { BenchRow, Comparison, Round } from '../../bench-row.js';
import type { Environment } from '../../environment/environment.js';
import { median } from '../../run/statistics.js';

const Database = createRequire(import.meta.url)('sqlite-driver') as new (path: string) => SqliteDatabase;

const USER = 'user0';
/** Rows of one of the baseline's transactions, and of a page. */
const PER_TRANSACTION = 1_000;
/** Writes of one round, one after the other. */
const WRITES = 200;

/** The TypeScript client on SQLite, in the process of the benchmark. */
export const clientSqlite: BenchRow = {
  name: 'client-sqlite',
  lines: [
    {
      name: 'client-sqlite-first-sync',
      work: 'the TypeScript client: first sync of 100,000 rows (quick: 20,000) into SQLite, over HTTP',
      baseline: `JSON.parse and bare prepared inserts of the same rows, ${PER_TRANSACTION} a transaction, no network`,
      unit: 'rows/s',
      target: 0.6,
      floor: 50_000,
    },
    {
      name: 'client-sqlite-start',
      work: 'start with those rows until the first table is in memory',
      baseline: 'a bare SELECT of all rows',
      unit: 'ms',
      target: 0.77,
    },
    {
      name: 'client-sqlite-write',
      work: 'an edit until it is durable',
      baseline: 'a bare transaction of two INSERT OR REPLACE',
      unit: 'ms',
      target: 0.5,
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
  await app.call('caughtUp');
  await database.query('VACUUM ANALYZE');
  const folder = await temporaryFolder();
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  let round = 0;
  let last = '';
  const open = (path: string): Promise<Sync<AnyTables>> =>
    createSync({
      url: `${app.url}/sync`,
      user: USER,
      headers: () => ({ 'x-user-id': USER }),
      store: sqliteStore(() => new Database(path)),
    });

  const subject = async (): Promise<Round> => {
    remove(last);
    last = join(folder, `${(round += 1)}.db`);
    let firstSync = 0;
    let start = 0;
    let write = 0;
    const { usage } = await environment.timed(app, async () => {
      let sync = await open(last);
      firstSync = await timed(() => sync.caughtUp({ timeout: 600_000 }));
      await sync.close();
      start = await timed(async () => {
        sync = await open(last);
        await sync.table('tasks').load();
      });
      const tasks = sync.table('tasks');
      const [{ id } = { id: '' }] = tasks.query({ limit: 1 });
      const times: number[] = [];
      for (let n = 0; n < WRITES; n++)
        times.push(await timed(() => tasks.update(id as string, { title: `written ${round} ${n}` })));
      write = median(times);
      await sync.caughtUp({ timeout: 60_000 });
      await sync.close();
    });
    return { values: [rows / (firstSync / 1_000), start, write], usage };
  };

  return {
    subject,
    baseline: async () => {
      const source = new Database(last);
      const [made] = source.prepare(`SELECT sql FROM sqlite_master WHERE name = 'tasks'`).all() as {
        sql: string;
      }[];
      const stored = source.prepare('SELECT * FROM tasks').all() as Record<string, unknown>[];
      source.close();
      // As an answer has them.
      const pages = Array.from({ length: Math.ceil(stored.length / PER_TRANSACTION) }, (_, n) =>
        JSON.stringify(stored.slice(n * PER_TRANSACTION, (n + 1) * PER_TRANSACTION)),
      );
      const path = join(folder, `bare-${round}.db`);
      const values: number[] = [];
      const { usage } = await environment.timed(app, async () => {
        const bare = openBare(path, made?.sql ?? '');
        const insert = insertOf(bare, stored[0] ?? {});
        values.push(
          rows /
            ((await timed(async () => {
              for (const page of pages)
                inTransaction(bare, () => {
                  for (const row of JSON.parse(page) as object[])
                    insert.run(...(Object.values(row) as never[]));
                });
            })) /
              1_000),
        );
        bare.close();
        values.push(
          await timed(async () => {
            const again = new Database(path);
            again.prepare('SELECT * FROM tasks').all();
            again.close();
          }),
        );
        const again = openBare(path, '');
        const row = Object.values(stored[0] ?? {}) as never[];
        const write = insertOf(again, stored[0] ?? {});
        const times: number[] = [];
        for (let n = 0; n < WRITES; n++)
          times.push(
            await timed(async () => {
              inTransaction(again, () => {
                write.run(...row);
                write.run(...row);
              });
            }),
          );
        values.push(median(times));
        again.close();
      });
      remove(path);
      return { values, usage };
    },
    verify: async () => {
      const stored = new Database(last);
      const [{ n } = { n: 0 }] = stored.prepare('SELECT count(*) AS n FROM tasks').all() as { n: number }[];
      stored.close();
      if (n !== rows) throw new Error(`the device has ${n} of ${rows} rows`);
    },
  };
}

/** As durable as the client's. */
function openBare(path: string, create: string): SqliteDatabase {
  const bare = new Database(path);
  bare.exec('PRAGMA journal_mode = WAL');
  bare.exec('PRAGMA synchronous = FULL');
  if (create !== '') bare.exec(create);
  return bare;
}

function insertOf(database: SqliteDatabase, row: object): ReturnType<SqliteDatabase['prepare']> {
  const names = Object.keys(row);
  const places = names.map(() => '?').join(', ');
  return database.prepare(`INSERT OR REPLACE INTO tasks (${names.join(', ')}) VALUES (${places})`);
}

function inTransaction(database: SqliteDatabase, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  work();
  database.exec('COMMIT');
}

function remove(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
}

/** Milliseconds. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
