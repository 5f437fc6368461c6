import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { SyncEngine, type StaleClientEvent } from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed, logState } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask, insertTasks, retitle } from '../support/sample-rows.js';

let database: TestDatabase;
let app: RunningApp;
let alice: Device;
let bob: Device;
/** Called within a request's transaction, when that has read who asks and how far the log is, and no row yet. */
let between: ((event: StaleClientEvent) => Promise<void>) | undefined;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createDatabase();
  app = await startApp({
    database,
    synchro: {
      providers: [],
      hooks: {
        onStaleClient: async (event) => {
          const once = between;
          between = undefined;
          await once?.(event);
          return true;
        },
      },
    },
  });
});
beforeEach(async () => {
  [alice, bob] = [new Device(app.url, 'alice'), new Device(app.url, 'bob')];
  for (const device of [alice, bob]) await device.start();
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

it('entries, rows, membership and checkpoint of a pull are of one moment [W-PULL-16]', async () => {
  const [changed = '', moved = '', deleted = ''] = await insertTasks(database, 'alice', 'task', 3);
  await consumed(database);
  const { last } = await logState(database);
  const settings: unknown[] = [];
  between = async ({ manager }) => {
    settings.push(
      ...(await manager.query<unknown[]>(
        `SELECT current_setting('transaction_isolation') AS isolation, current_setting('transaction_read_only') AS read_only`,
      )),
    );
    await retitle(database, changed, 'changed');
    await database.query(`UPDATE tasks SET user_id = 'bob' WHERE id = $1`, [moved]);
    await database.query('DELETE FROM tasks WHERE id = $1', [deleted]);
    await insertTask(database, 'alice', 'new');
    await consumed(database);
  };
  const page = await alice.pullPage();
  expect(settings).toEqual([{ isolation: 'repeatable read', read_only: 'on' }]);
  expect(page).toMatchObject({ deletes: [], has_more: false, checkpoint: last });
  expect(page.changes.map(({ id, data }) => [id, data['title']])).toEqual([
    [changed, 'task 1'],
    [moved, 'task 2'],
    [deleted, 'task 3'],
  ]);

  await alice.pull();
  expect(new Set([...alice.rows('tasks').values()].map(({ title }) => title))).toEqual(
    new Set(['changed', 'new']),
  );
});

it('a page that ends before the entry of a move shows nothing of the row that has moved [W-PULL-2]', async () => {
  const [task = '', other = ''] = await insertTasks(database, 'alice', 'of Alice', 2);
  await consumed(database);
  await alice.pull();
  await retitle(database, task, 'still of Alice');
  await retitle(database, other, 'stays');
  await database.query(
    `UPDATE tasks SET user_id = 'bob', title = 'secret of Bob', updated_at = clock_timestamp() WHERE id = $1`,
    [task],
  );
  await consumed(database);
  const first = await alice.pullPage({ limit: 1 });
  expect(first).toMatchObject({ has_more: true, changes: [], deletes: [{ id: task }] });
  for (let page = first; ; page = await alice.pullPage({ limit: 1 })) {
    expect(JSON.stringify(page)).not.toContain('secret of Bob');
    alice.checkpoint = page.checkpoint;
    for (const { table_name: table, id } of page.deletes) alice.store.applyDelete(table, id);
    if (!page.has_more) break;
  }
  expect(alice.row('tasks', task)).toBeUndefined();
  await bob.pull();
  expect(bob.row('tasks', task)).toMatchObject({ title: 'secret of Bob' });
});

it('registrations and pulls that are refused hold no history back, however many there are [W-CLI-2]', async () => {
  const compacting = await startApp({
    database,
    synchro: { providers: [], replication: false, compaction: {} },
  });
  try {
    await database.query('DELETE FROM sync_clients');
    const reader = new Device(app.url, 'alice');
    await reader.start();
    const attackers = Array.from({ length: 60 }, () => new Device(app.url, 'mallory'));
    for (const device of attackers) {
      await device.register();
      expect((await device.pullPage()).snapshot_required).toBe(true);
    }
    await insertTasks(database, 'alice', 'history', 3);
    await consumed(database);
    await reader.pull();
    await reader.pull();
    const { safeSeq } = await compacting.app.get(SyncEngine, { strict: false }).runCompaction();
    expect(Number(safeSeq)).toBe(reader.checkpoint);
    expect((await logState(database)).floor).toBe(reader.checkpoint);
  } finally {
    await compacting.close();
  }
});
