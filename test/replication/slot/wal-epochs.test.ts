import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { insertTask } from '../../support/sample-rows.js';
import { eventually } from '../../support/wait.js';
import {
  applied,
  edgesOf,
  inOneTransaction,
  logOf,
  startWalApp,
  storedPosition,
} from '../../support/wal-app.js';
import { Task, TASKS_SQL } from '../../support/wal-tasks.js';

const EPOCH_STEP = 2n ** 32n;

describe('an epoch', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let device: Device;
  let known: string;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(TASKS_SQL);
    app = await startWalApp(database, [Task]);
    known = await insertTask(database, 'alice', 'known');
    await applied(database);
    device = new Device(app.url, 'alice');
    await device.start();
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  const dropSlot = (): Promise<unknown> =>
    database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
  const makeSlot = (): Promise<unknown> =>
    database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [database.slotName]);

  const causes: readonly [string, () => Promise<unknown>][] = [
    ['the slot was dropped', dropSlot],
    [
      'the slot was dropped and made again by hand',
      async () => {
        await dropSlot();
        await makeSlot();
      },
    ],
    [
      'the slot was read by somebody else',
      () =>
        database.query(
          `SELECT count(*) FROM pg_logical_slot_get_binary_changes($1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)`,
          [database.slotName, database.publicationName],
        ),
    ],
    [
      'the slot was advanced by hand',
      () =>
        database.query('SELECT pg_replication_slot_advance($1, pg_current_wal_lsn())', [database.slotName]),
    ],
    ['another system has taken over', () => database.query("UPDATE sync_wal_position SET system_id = '1'")],
    ['a standby was promoted', () => database.query('UPDATE sync_wal_position SET timeline = timeline + 1')],
  ];

  /** The server lets go of the slot a moment after its reader has gone. */
  const slotIsFree = (): Promise<unknown> =>
    eventually(async () => {
      const active = await database.query(
        'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND active',
        [database.slotName],
      );
      return active.length === 0;
    });

  it.each(causes)(
    'begins when %s, and loses neither what was written meanwhile nor an edit [W-WAL-17] [interleaving 4]',
    async (_, cause) => {
      const before = await storedPosition(database);
      device.update('tasks', known, { title: 'edited offline' });
      device.create('tasks', { title: 'made offline' }, 'f0e0d0c0-0000-4000-8000-000000000001');

      await app.close();
      const unseen = await insertTask(database, 'alice', 'written while nobody read');
      const gone = await insertTask(database, 'alice', 'written and deleted');
      await slotIsFree();
      await cause();
      await database.query('DELETE FROM tasks WHERE id = $1', [gone]);
      app = await startWalApp(database, [Task]);
      await applied(database);

      const after = await storedPosition(database);
      expect(BigInt(after.epoch_seq)).toBe(BigInt(before.last_seq) + EPOCH_STEP);
      expect(BigInt(after.last_seq)).toBeGreaterThan(BigInt(after.epoch_seq));
      expect(await edgesOf(database, 'tasks', unseen)).toEqual(['user:alice']);
      expect(await edgesOf(database, 'tasks', gone)).toEqual([]);

      const returning = await returned();
      await returning.pull();
      expect(returning.snapshotReasons).toEqual(['history_unavailable']);
      await applied(database);
      await returning.pull();
      expect(returning.snapshotReasons).toEqual(['history_unavailable']);
      const titles = new Set([...returning.rows('tasks').values()].map(({ title }) => title));
      expect(titles).toEqual(new Set(['edited offline', 'made offline', 'written while nobody read']));
    },
  );

  it('does not begin at an ordinary restart [W-WAL-17]', async () => {
    const before = await storedPosition(database);
    await app.close();
    const meanwhile = await insertTask(database, 'alice', 'written meanwhile');
    app = await startWalApp(database, [Task]);
    await applied(database);
    const after = await storedPosition(database);
    expect(after.epoch_seq).toBe(before.epoch_seq);
    const returning = await returned();
    await returning.pull();
    expect(returning.snapshotReasons).toEqual([]);
    expect(returning.row('tasks', meanwhile)).toBeDefined();
    expect(await logOf(database, 'tasks', meanwhile)).toEqual(['create user:alice']);
  });

  it('begins while the app runs, as soon as the slot is gone [scenario 142] [W-WAL-17]', async () => {
    const before = await storedPosition(database);
    await eventually(async () => {
      await database.query(
        'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1',
        [database.slotName],
      );
      await dropSlot();
    });
    const task = await insertTask(database, 'alice', 'written meanwhile');
    await eventually(async () => expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']));
    expect((await storedPosition(database)).epoch_seq).toBe(
      (BigInt(before.last_seq) + EPOCH_STEP).toString(),
    );
    await device.pull();
    expect(device.snapshotReasons).toEqual(['history_unavailable']);
    expect(device.row('tasks', task)).toBeDefined();
  });

  it('begins when the sync tables are restored from an older copy, though nothing is written afterwards', async () => {
    const tables = ['sync_changelog', 'sync_bucket_edges', 'sync_wal_position'];
    for (const table of tables) await database.query(`CREATE TABLE copy_of_${table} AS TABLE ${table}`);
    const later = await insertTask(database, 'alice', 'after the copy');
    await applied(database);
    const before = await storedPosition(database);
    await inOneTransaction(
      database,
      ...tables.map((table) => `DELETE FROM ${table}; INSERT INTO ${table} TABLE copy_of_${table}`),
    );
    await eventually(async () =>
      expect(BigInt((await storedPosition(database)).epoch_seq)).toBeGreaterThan(BigInt(before.last_seq)),
    );
    await device.pull();
    expect(device.snapshotReasons).toEqual(['history_unavailable']);
    expect(device.row('tasks', later)).toBeDefined();
  });

  it('begins under another slot name, and the former slot does not go on retaining WAL', async () => {
    const before = await storedPosition(database);
    await app.close();
    app = await startWalApp(database, [Task], { replication: { slotName: `${database.slotName}_2` } });
    const rows = await database.query<{ name: string }>(
      'SELECT slot_name AS name FROM pg_replication_slots WHERE database = current_database()',
    );
    expect(rows).toEqual([{ name: `${database.slotName}_2` }]);
    expect(await storedPosition(database)).toMatchObject({
      slot_name: `${database.slotName}_2`,
      epoch_seq: (BigInt(before.last_seq) + EPOCH_STEP).toString(),
    });
  });

  it('makes a checkpoint that was issued after the point of recovery invalid, instead of skipping what is new [interleaving 4]', async () => {
    // As after a promotion of a standby that had not received everything: the device is ahead of the log.
    const behind = await storedPosition(database);
    for (let n = 0; n < 5; n++) await insertTask(database, 'alice', `lost ${n}`);
    await applied(database);
    await device.pull();
    await app.close();
    await database.query('DELETE FROM tasks WHERE id <> $1', [known]);
    await database.query('UPDATE sync_wal_position SET last_seq = $1, timeline = timeline + 1', [
      behind.last_seq,
    ]);
    await database.query('DELETE FROM sync_changelog WHERE seq > $1', [behind.last_seq]);
    app = await startWalApp(database, [Task]);
    // More than were lost: the log is past what the device has seen.
    const fresh: string[] = [];
    for (let n = 0; n < 10; n++) fresh.push(await insertTask(database, 'alice', `fresh ${n}`));
    await applied(database);
    const returning = await returned();
    await returning.pull();
    expect(returning.snapshotReasons).toEqual(['history_unavailable']);
    expect([...returning.rows('tasks').keys()].toSorted()).toEqual([known, ...fresh].toSorted());
  });

  it('leaves a device that took its snapshot in it alone', async () => {
    await app.close();
    await slotIsFree();
    await dropSlot();
    app = await startWalApp(database, [Task]);
    const newcomer = new Device(app.url, 'alice');
    await newcomer.start();
    const task = await insertTask(database, 'alice', 'later');
    await applied(database);
    await newcomer.pull();
    expect(newcomer.snapshotReasons).toEqual([]);
    expect(newcomer.row('tasks', task)).toBeDefined();
  });

  /** The device, with what is stored on it, at the address of the app as it runs now. */
  async function returned(): Promise<Device> {
    const other = new Device(app.url, device.userId, device.clientId);
    Object.assign(other, { store: device.store, checkpoint: device.checkpoint });
    await other.schema();
    return other;
  }
});
