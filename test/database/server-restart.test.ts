import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../sample-app/postgres/server.js';
import { startAppProcess, type AppProcess } from '../support/app-process.js';
import { auditChanges, compareLog, shown, SYNCED_TABLES, visibleRows, wrongEdges } from '../support/audit.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { startAgain, wasForced } from '../support/own-server.js';
import { PersistentUser } from '../support/persistent-user.js';
import { Random } from '../support/random.js';
import { insertTask } from '../support/sample-rows.js';
import { SqlWriter } from '../support/sql-writer.js';
import { testFolder } from '../support/run.js';
import { eventually } from '../support/wait.js';
import { logOf, storedPosition } from '../support/wal-app.js';

describe('when the server restarts', () => {
  let server: PostgresServer;
  let database: TestDatabase;
  const processes: AppProcess[] = [];

  beforeEach(async () => {
    // Durable: what was acknowledged must be there after a crash.
    server = await startPostgres({ dataDir: await testFolder() });
    database = await createDatabase(server.url);
  });

  afterEach(async () => {
    for (const process of processes.splice(0)) await process.kill();
    server.destroySync();
  });

  async function start(): Promise<AppProcess> {
    const process = await startAppProcess({ database });
    processes.push(process);
    return process;
  }

  const consumingTimes = (): number =>
    processes.flatMap((process) => process.output().match(/consuming slot/g) ?? []).length;

  /** Another instance may go on than the one that consumed before. */
  it.each([
    ['an app', 1],
    ['two instances', 2],
  ])('%s: it stops at once, and sync goes on by itself, without a new epoch', async (_, instances) => {
    for (let n = 0; n < instances; n++) await start();
    const before = await insertTask(database, 'alice', 'before');
    await consumed(database);
    const { epoch_seq: epoch } = await storedPosition(database);
    for (let restart = 1; restart <= 2; restart++) {
      // WAL that the consumer has nothing to do with: it is at the server's end only in memory.
      await database.query(`CREATE TABLE elsewhere_${restart} AS SELECT generate_series(1, 2000)`);
      const times = consumingTimes();
      await server.stop('fast');
      expect(await wasForced(server)).toBe(false);
      await startAgain(server);
      await eventually(() => consumingTimes() > times, { timeout: 30_000 });
      const task = await eventually(() => insertTask(database, 'alice', `after restart ${restart}`));
      await consumed(database);
      expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
    }
    expect(await logOf(database, 'tasks', before)).toEqual(['create user:alice']);
    expect((await storedPosition(database)).epoch_seq).toBe(epoch);
  });

  it('in a crash under load, nothing that was committed is lost or doubled, for devices neither', async () => {
    const app = await start();
    await auditChanges(database);
    const names = ['alice', 'bob'];
    const users = names.map((name, index) => new PersistentUser(app.url, name, new Random(index)));
    for (const user of users) await user.device.start();
    const { epoch_seq: epoch } = await storedPosition(database);
    const contended = await insertTask(database, 'alice', 'contended', randomUUID());
    for (let crash = 0; crash < 3; crash++) {
      const writers = [1, 2].map(
        (seed) => new SqlWriter(database.url, names, new Random(10 * crash + seed), contended),
      );
      const load = Promise.allSettled(writers.map((writer) => writer.run()));
      const working = Promise.all(users.map((user) => user.run()));
      const { last_seq: last } = await storedPosition(database);
      await eventually(async () => BigInt((await storedPosition(database)).last_seq) > BigInt(last) + 300n);
      await server.stop('immediate');
      // The writers end with their connections.
      expect((await load).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
      await startAgain(server);
      for (const user of users) user.stop();
      await working;
    }
    await eventually(() => consumed(database), { timeout: 60_000 });
    expect(await compareLog(database)).toMatchObject({ different: [], impossible: [] });
    expect(await wrongEdges(database)).toEqual([]);
    expect((await storedPosition(database)).epoch_seq).toBe(epoch);
    for (const { name, device } of users) {
      await device.sync();
      expect(device.snapshotReasons).toEqual([]);
      for (const table of SYNCED_TABLES) {
        expect(shown(device, table)).toEqual(await visibleRows(database, table, name));
      }
    }
  });
});
