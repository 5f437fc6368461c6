import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { startAppProcess, type AppProcess } from '../support/app-process.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import { applied, logOf, startWalApp, storedPosition } from '../support/wal-app.js';

const isConsuming = (process: AppProcess): boolean => process.output().includes('consuming slot');

describe('several instances', () => {
  let database: TestDatabase;
  const processes: AppProcess[] = [];
  const apps: RunningApp[] = [];

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(async () => {
    for (const process of processes.splice(0)) await process.kill();
    for (const app of apps.splice(0)) await app.close();
    await database.drop();
  });

  async function start(): Promise<AppProcess> {
    const process = await startAppProcess({ database });
    processes.push(process);
    return process;
  }

  async function walSender(): Promise<number | null> {
    const [slot] = await database.query<{ active_pid: number | null }>(
      'SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1',
      [database.slotName],
    );
    return slot?.active_pid ?? null;
  }

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'consume one after the other: the next takes over when the first ends by %s, and devices go on there',
    async (signal) => {
      const first = await start();
      await eventually(() => isConsuming(first));
      const second = await start();
      const alice = new Device(second.url, 'alice');
      await alice.start();
      const before = await insertTask(database, 'alice', 'before');
      await consumed(database);
      expect(isConsuming(second)).toBe(false);
      const { epoch_seq: epoch } = await storedPosition(database);
      const leader = await walSender();

      await first.kill(signal);
      const between = await insertTask(database, 'alice', 'between');
      await eventually(() => isConsuming(second));
      await consumed(database);
      expect(await walSender()).not.toBe(leader);
      expect((await storedPosition(database)).epoch_seq).toBe(epoch);
      for (const task of [before, between]) {
        expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
      }
      await alice.sync();
      expect([...alice.rows('tasks').keys()].toSorted()).toEqual([before, between].toSorted());
      expect(alice.snapshotReasons).toEqual([]);
    },
  );

  it('take turns as they are killed in turn, without a new epoch', async () => {
    let leader = await start();
    await eventually(() => isConsuming(leader));
    const { epoch_seq: epoch } = await storedPosition(database);
    for (let turn = 0; turn < 4; turn++) {
      const next = await start();
      const tasks = await Promise.all(
        Array.from({ length: 20 }, (_, n) => insertTask(database, 'alice', `task ${n}`)),
      );
      await leader.kill();
      await eventually(() => isConsuming(next));
      await consumed(database);
      for (const task of tasks) expect(await logOf(database, 'tasks', task)).toEqual(['create user:alice']);
      leader = next;
    }
    expect((await storedPosition(database)).epoch_seq).toBe(epoch);
  });

  it('that start together on a database without sync tables all come up, with one slot and one publication', async () => {
    await database.query(createTableSql('marks'));
    const started = await Promise.all(Array.from({ length: 5 }, () => startWalApp(database, [])));
    apps.push(...started);
    await applied(database);
    const made = await database.query<{ what: string }>(
      `SELECT 'slot ' || slot_name AS what FROM pg_replication_slots WHERE database = current_database()
       UNION ALL SELECT 'publication ' || pubname FROM pg_publication ORDER BY what`,
    );
    expect(made.map(({ what }) => what)).toEqual([
      `publication ${database.publicationName}`,
      `slot ${database.slotName}`,
    ]);
    expect(await walSender()).not.toBeNull();
    expect((await storedPosition(database)).epoch_seq).toBe('0');
    for (const app of started) {
      const device = new Device(app.url, 'alice');
      await device.start();
      expect(device.rows('marks').size).toBe(1);
    }
  });
});
