import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { testRun } from '../../support/run.js';
import { insertTask } from '../../support/sample-rows.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, startWalApp, storedPosition } from '../../support/wal-app.js';
import { Task, TASKS_SQL } from '../../support/wal-tasks.js';

const EPOCH_STEP = 2n ** 32n;

/** What an operator does to a publication by hand, while nobody looks. */
const alterations = [
  [
    'dropped and made again',
    (name: string) => `DROP PUBLICATION ${name}`,
    (name: string) => `CREATE PUBLICATION ${name} FOR TABLE tasks, marks
      WITH (publish_via_partition_root = true)`,
  ],
  [
    'dropped and made again without any synced table',
    (name: string) => `DROP PUBLICATION ${name}`,
    (name: string) => `CREATE TABLE elsewhere (); CREATE PUBLICATION ${name} FOR TABLE elsewhere`,
  ],
  [
    'rid of a table and given it again',
    (name: string) => `ALTER PUBLICATION ${name} DROP TABLE tasks`,
    (name: string) => `ALTER PUBLICATION ${name} ADD TABLE tasks`,
  ],
  [
    'kept from updates and deletes',
    (name: string) => `ALTER PUBLICATION ${name} SET (publish = 'insert')`,
    (name: string) => `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate')`,
  ],
] as const;

describe('a publication that somebody has', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let device: Device;
  let kept: string;
  let deleted: string;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(TASKS_SQL);
    app = await startWalApp(database, [Task]);
    [kept, deleted] = [
      await insertTask(database, 'alice', 'kept'),
      await insertTask(database, 'alice', 'deleted'),
    ];
    await applied(database);
    device = new Device(app.url, 'alice');
    await device.start();
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  /** Changes that the stream misses: all are committed before the publication is as it was. */
  async function missed(alter: (name: string) => string, restore: (name: string) => string): Promise<void> {
    const name = `"${database.publicationName}"`;
    await database.query(alter(name));
    await database.query('DELETE FROM tasks WHERE id = $1', [deleted]);
    await database.query("UPDATE tasks SET title = 'changed', updated_at = now() WHERE id = $1", [kept]);
    await database.query(restore(name));
  }

  async function expectAllFound(): Promise<void> {
    await eventually(async () => expect(await edgesOf(database, 'tasks', deleted)).toEqual([]));
    await applied(database);
    device.url = app.url;
    await device.pull();
    expect([...device.rows('tasks').values()].map(({ title }) => title)).toEqual(['changed']);
  }

  it.each(alterations)('%s while no app ran loses nothing', async (_, alter, restore) => {
    await app.close();
    await missed(alter, restore);
    app = await startWalApp(database, [Task]);
    await expectAllFound();
  });

  it.each(alterations)('%s while the app runs loses nothing', async (_, alter, restore) => {
    await missed(alter, restore);
    await expectAllFound();
  });

  it('made again starts an epoch where its WAL can no longer be decoded: before PostgreSQL 18', async () => {
    const before = await storedPosition(database);
    device.create('tasks', { title: 'made offline' });
    await app.close();
    await database.query(`DROP PUBLICATION "${database.publicationName}"`);
    await insertTask(database, 'alice', 'written meanwhile');
    app = await startWalApp(database, [Task]);
    await applied(database);
    const starts = testRun().serverVersion < 18;
    const epoch = starts ? String(BigInt(before.last_seq) + EPOCH_STEP) : before.epoch_seq;
    expect((await storedPosition(database)).epoch_seq).toBe(epoch);

    device.url = app.url;
    await device.pull();
    await applied(database);
    await device.pull();
    expect(device.snapshotReasons).toEqual(starts ? ['history_unavailable'] : []);
    const titles = [...device.rows('tasks').values()].map(({ title }) => title);
    expect(new Set(titles)).toEqual(new Set(['deleted', 'kept', 'made offline', 'written meanwhile']));
  });

  it('altered is resolved once, and not at every start', async () => {
    const entries = async (): Promise<number> =>
      (await database.query("SELECT FROM sync_changelog WHERE table_name = 'tasks'")).length;
    const [, dropTable, addTable] = alterations[2];
    await app.close();
    await missed(dropTable, addTable);
    app = await startWalApp(database, [Task]);
    await expectAllFound();
    const before = await entries();
    await app.close();
    app = await startWalApp(database, [Task]);
    await applied(database);
    expect(await entries()).toBe(before);
  });
});
