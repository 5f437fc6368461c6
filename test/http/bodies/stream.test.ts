import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { backoff } from '../../../lib/replication/stream/backoff.js';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { startAppProcess } from '../../support/app-process.js';
import { auditChanges, compareLog, wrongEdges } from '../../support/audit.js';
import { consumed, consumerWaits, withPausedConsumer } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Random } from '../../support/random.js';
import { insertTask } from '../../support/sample-rows.js';
import { SqlWriter } from '../../support/sql-writer.js';
import { testFolder } from '../../support/run.js';
import { eventually, pause } from '../../support/wait.js';
import { edgesOf, logOf, storedPosition } from '../../support/wal-app.js';

vi.mock(import('../../../lib/replication/stream/backoff.js'), { spy: true });

const STOPPABLE_APP = fileURLToPath(new URL('../../support/stoppable-app.mjs', import.meta.url));
/** Short, so that a test can outlast it. */
const WAL_SENDER_TIMEOUT = 1_000;

interface WalSender {
  readonly pid: number;
  readonly wait_event: string | null;
}

describe('the replication stream', () => {
  let database: TestDatabase;
  let app: RunningApp | undefined;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(async () => {
    await app?.close();
    app = undefined;
    await database.drop();
  });

  async function start(options: { batchRows?: number; maxBatchRows?: number } = {}): Promise<void> {
    const { slotName, publicationName } = database;
    app = await startApp({
      database,
      synchro: {
        replication: { slotName, publicationName, walSenderTimeout: WAL_SENDER_TIMEOUT, ...options },
      },
    });
    await consumed(database);
  }

  async function walSender(): Promise<WalSender | undefined> {
    const [sender] = await database.query<WalSender & Record<string, unknown>>(
      `SELECT a.pid, a.wait_event
         FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid
        WHERE slot_name = $1`,
      [database.slotName],
    );
    return sender;
  }

  it('is taken up again at once when it is cut time and again, as long as it gets on in between', async () => {
    await start();
    const cuts = 8;
    vi.mocked(backoff).mockClear();
    for (let cut = 0; cut < cuts; cut++) {
      const { pid } = await eventually(async () => (await walSender()) ?? false);
      await database.query('SELECT pg_terminate_backend($1)', [pid]);
      await consumed(database);
    }
    // Another try may find the slot not let go of yet. Without the progress, the last pause would be the eighth.
    const attempts = vi.mocked(backoff).mock.calls.map(([attempt]) => attempt);
    expect(attempts.length).toBeGreaterThanOrEqual(cuts);
    expect(Math.max(...attempts)).toBeLessThan(cuts - 1);
  });

  it('outlasts wal_sender_timeout while nothing happens', async () => {
    await start();
    const before = await walSender();
    await pause(3.5 * WAL_SENDER_TIMEOUT);
    expect(before).toBeDefined();
    expect((await walSender())?.pid).toBe(before?.pid);
  });

  it('outlasts wal_sender_timeout while the writer waits', async () => {
    await start();
    const before = await walSender();
    const task = await withPausedConsumer(database, async () => {
      const id = await insertTask(database, 'alice', 'later');
      await consumerWaits(database);
      await pause(3.5 * WAL_SENDER_TIMEOUT);
      expect((await walSender())?.pid).toBe(before?.pid);
      return id;
    });
    await consumed(database);
    expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
    expect((await walSender())?.pid).toBe(before?.pid);
  });

  it.skipIf(!existsSync('/proc/self/status'))(
    'stops reading while the writer waits, however much there is to come, and keeps the connection',
    async () => {
      const rows = 40_000;
      const process = await startAppProcess({
        database,
        main: STOPPABLE_APP,
        env: { PORT: '0', REPLICATION: JSON.stringify({ walSenderTimeout: WAL_SENDER_TIMEOUT }) },
      });
      await consumed(database);
      const before = await residentMegabytes(process.pid);
      const blocked = await withPausedConsumer(database, async () => {
        await database.query(
          `INSERT INTO tasks (user_id, title) SELECT 'alice', repeat('wide', 1000) FROM generate_series(1, $1::int)`,
          [rows],
        );
        const sender = await eventually(async () => {
          const now = await walSender();
          return now?.wait_event === 'WalSenderWriteData' && now;
        });
        await pause(3.5 * WAL_SENDER_TIMEOUT);
        expect(await walSender()).toEqual(sender);
        // All of it would be 160 MB of text alone.
        expect((await residentMegabytes(process.pid)) - before).toBeLessThan(100);
        return sender;
      });
      await eventually(() => consumed(database), { timeout: 60_000 });
      expect((await walSender())?.pid).toBe(blocked.pid);
      const [log] = await database.query(
        `SELECT count(*)::int AS entries, count(DISTINCT record_id)::int AS records FROM sync_changelog
          WHERE bucket_id = 'user:alice'`,
      );
      expect(log).toEqual({ entries: rows, records: rows });
      await process.kill();
    },
    120_000,
  );

  it('does not close later than at once while it has stopped reading', async () => {
    await start();
    await withPausedConsumer(database, async () => {
      await database.query(
        `INSERT INTO tasks (user_id, title) SELECT 'alice', repeat('wide', 1000) FROM generate_series(1, 20000)`,
      );
      await eventually(async () => (await walSender())?.wait_event === 'WalSenderWriteData');
    });
    await app?.close();
    await eventually(async () => (await walSender()) === undefined);
    const [log] = await database.query(
      `SELECT count(*)::int AS entries FROM sync_changelog WHERE bucket_id = 'user:alice'`,
    );
    expect(log, 'what was still to come was left to the next one').toEqual({ entries: 0 });
  });

  it('is cut off again and again under load, and nothing is lost or doubled', async () => {
    await start({ batchRows: 20, maxBatchRows: 40 });
    const [random, names] = [new Random(7), ['alice', 'bob']];
    const contended = await insertTask(database, 'alice', 'contended');
    await auditChanges(database);
    const before = await storedPosition(database);
    const writers = [1, 2].map((seed) => new SqlWriter(database.url, names, new Random(seed), contended));
    const load = Promise.all(writers.map((writer) => writer.run()));
    for (let cut = 0; cut < 7; cut++) {
      const sender = await eventually(async () => (await walSender()) ?? false);
      // Not before it has done something, up to a few hundred entries.
      const { last_seq: last } = await storedPosition(database);
      const goal = BigInt(last) + BigInt(random.below(300));
      await eventually(async () => BigInt((await storedPosition(database)).last_seq) > goal, { interval: 2 });
      await database.query('SELECT pg_terminate_backend($1)', [sender.pid]);
    }
    for (const writer of writers) writer.stop();
    await load;
    await eventually(() => consumed(database), { timeout: 60_000 });
    const log = await compareLog(database);
    expect(log.changes).toBeGreaterThan(100);
    // The contended task and the marker of the start were there before the audit.
    const early = (text: string): boolean =>
      text.startsWith(`tasks ${contended} `) || text.includes(' user:nobody: 1 instead of');
    const different = log.different.filter((text) => !early(text));
    expect({ ...log, different }).toMatchObject({ different: [], impossible: [] });
    expect(await wrongEdges(database)).toEqual([]);
    expect((await storedPosition(database)).epoch_seq).toBe(before.epoch_seq);
  }, 120_000);

  it.each([4, 8])('brings a transaction of %i rows, exactly as many as fill its batches', async (count) => {
    await start({ batchRows: 2, maxBatchRows: 4 });
    await database.query(
      `INSERT INTO tasks (user_id, title) SELECT 'alice', 'task' FROM generate_series(1, $1::int)`,
      [count],
    );
    // Nothing else is committed meanwhile.
    await eventually(async () => {
      const [log] = await database.query(
        `SELECT count(*)::int AS n FROM sync_changelog WHERE bucket_id = 'user:alice'`,
      );
      return log?.['n'] === count;
    });
  });

  it('lets go of the slot when the app closes', async () => {
    await start();
    expect(await walSender()).toBeDefined();
    await app?.close();
    await eventually(async () => (await walSender()) === undefined, { timeout: 2_000 });
    const left = await database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-synchro'`,
    );
    expect(left).toEqual([]);
  });

  it('is not touched by an app that does not replicate', async () => {
    app = await startApp({ database, synchro: { replication: false } });
    const task = await insertTask(database, 'alice', 'unseen');
    const made = await database.query(
      `SELECT 'slot' FROM pg_replication_slots WHERE database = current_database()
       UNION ALL SELECT 'publication' FROM pg_publication
       UNION ALL SELECT 'position' FROM sync_wal_position
       UNION ALL SELECT 'connection' FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name = 'nestjs-synchro'`,
    );
    expect(made).toEqual([]);
    expect(await edgesOf(database, 'tasks', task)).toEqual([]);
  });
});

// What other tests write would move the WAL of a shared server.
describe('on a quiet server', () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres({
      dataDir: await testFolder(),
      durable: false,
      settings: { autovacuum: 'off', checkpoint_timeout: '1h' },
    });
  });
  afterAll(() => server.destroySync());

  it('the consumer does not feed itself', async () => {
    const database = await createDatabase(server.url);
    const app = await startApp({ database });
    await consumed(database);
    const state = async (): Promise<unknown> =>
      database.query('SELECT xmin::text, confirmed_lsn FROM sync_wal_position');
    const before = await state();
    await pause(4_000);
    expect(await state()).toEqual(before);
    await app.close();
    await database.drop();
  });
});

async function residentMegabytes(pid: number): Promise<number> {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1024;
}
