import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { startAppProcess, type AppProcess } from '../../support/app-process.js';
import { consumed } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { insertTask, insertTasks } from '../../support/sample-rows.js';
import { testFolder } from '../../support/run.js';
import { eventually, pause } from '../../support/wait.js';

/** `npm run test:soak` takes a million. A kilobyte that stays of each row shows with fewer, too. */
const ROWS = Number(process.env['TRANSACTION_ROWS'] ?? 300_000);
const GROWTH_MB = 150;

// A server of its own: while a transaction as long as this one runs, no other app could make its slot.
let server: PostgresServer;
let database: TestDatabase;
let app: AppProcess;

beforeAll(async () => {
  server = await startPostgres({ dataDir: await testFolder(), durable: false });
  database = await createDatabase(server.url);
  app = await startAppProcess({ database });
});
afterAll(async () => {
  await app.kill();
  server.destroySync();
});

/** Memory of a process in MB: what it has in use, or the most that it ever had. */
async function memory(pid: number, which: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes] = new RegExp(`^${which}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`no ${which} in the status of process ${pid}`);
  return Number(kilobytes) / 1024;
}

// Only there can the most that a process ever used be read afterwards.
it.skipIf(!existsSync('/proc/self/status'))(
  `a transaction of ${ROWS} rows is consumed in bounded memory, while other users are served`,
  async () => {
    const bob = new Device(app.url, 'bob');
    await insertTasks(database, 'bob', 'mine', 150);
    await bob.start();
    await eventually(async () => {
      await bob.pull();
      return bob.rows('tasks').size === 150;
    });
    const before = await memory(app.pid, 'VmRSS');

    await database.query(
      `INSERT INTO tasks (user_id, title) SELECT 'user' || n % 4, 'task ' || n FROM generate_series(1, ${ROWS}) n`,
    );
    const applied = eventually(
      async () => {
        const [row] = await database.query(`SELECT last_seq > ${ROWS} AS done FROM sync_wal_position`);
        return row?.['done'] === true;
      },
      { timeout: 900_000, interval: 100 },
    );
    let served = 0;
    const done = new AbortController();
    const serving = (async () => {
      while (!done.signal.aborted) {
        expect(await bob.pullPage({ checkpoint: 1 })).toMatchObject({ has_more: true });
        expect((await bob.snapshotPage()).records).toHaveLength(100);
        served += 1;
        await pause(50);
      }
    })();
    await Promise.race([applied, serving.then(() => applied)]);
    done.abort();
    await serving;
    const growth = (await memory(app.pid, 'VmHWM')) - before;
    console.log(
      `RSS grew by ${growth.toFixed(0)} MB from ${before.toFixed(0)} MB; ${served} rounds of other pulls served`,
    );
    expect(growth).toBeLessThan(GROWTH_MB);
    expect(served).toBeGreaterThan(10);

    const [log] = await database.query(
      `SELECT count(*) AS entries, count(DISTINCT record_id) AS records, min(operation) AS least, max(operation) AS most
         FROM sync_changelog WHERE bucket_id IN ('user:user0', 'user:user1', 'user:user2', 'user:user3')`,
    );
    expect(log).toEqual({ entries: String(ROWS), records: String(ROWS), least: 1, most: 1 });
    const [edges] = await database.query(
      `SELECT count(*) AS edges FROM sync_bucket_edges WHERE live AND bucket_id LIKE 'user:user_'`,
    );
    expect(edges).toEqual({ edges: String(ROWS) });

    // It goes on as before.
    const next = await insertTask(database, 'bob', 'next');
    await consumed(database);
    await bob.pull();
    expect(bob.row('tasks', next)).toMatchObject({ title: 'next' });
  },
  1_200_000,
);
