import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { allSent, consumed, consumerWaits, tasksDone, withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertComment, insertTask, retitle } from '../support/sample-rows.js';
import type { PushResponse } from '../support/wire.js';

let database: TestDatabase;
let app: RunningApp;
let alice: Device;
let bob: Device;
let task: string;

beforeAll(async () => {
  database = await createDatabase();
  // Without the sample app's SharingResolver: with the default rule alone, a row can be checked by itself.
  app = await startApp({ database, synchro: { providers: [] } });
  alice = new Device(app.url, 'alice');
  bob = new Device(app.url, 'bob');
  for (const device of [alice, bob]) await device.start();
});

beforeEach(async () => {
  task = await insertTask(database, 'alice', 'of Alice');
  await consumed(database);
  await alice.pull();
  await bob.pull();
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

async function moveTo(user: string): Promise<void> {
  await database.query('UPDATE tasks SET user_id = $2, updated_at = clock_timestamp() WHERE id = $1', [
    task,
    user,
  ]);
}

/** Bob, to whom the task belongs now, changes it, whether or not his device has it yet. */
async function bobWrites(title: string): Promise<void> {
  // Ahead of the server's clock, to which it is cut: within the millisecond of the move it would lose.
  const client_updated_at = new Date(Date.now() + 1_000).toISOString();
  const answer = await bob.push([
    { id: task, table_name: 'tasks', operation: 'update', data: { title }, client_updated_at },
  ]);
  expect(answer.accepted).toHaveLength(1);
}

it('a task that has moved to Bob is left out for Alice until her own entry says that it is gone [W-PULL-2] [interleaving 9]', async () => {
  await retitle(database, task, 'still of Alice');
  await consumed(database);
  await withPausedConsumer(database, async () => {
    await moveTo('bob');
    await bobWrites('secret of Bob');
    const page = await alice.pullPage();
    expect(page.changes, 'the log mentions the task, and its edge is still there').toEqual([]);
    expect(page.deletes).toEqual([]);
    await alice.pull();
  });
  await consumed(database);
  await alice.pull();
  await bob.pull();
  expect(alice.row('tasks', task)).toBeUndefined();
  expect(bob.row('tasks', task)).toMatchObject({ title: 'secret of Bob' });
});

it('a snapshot that Alice takes meanwhile shows nothing of it either [W-PULL-2] [interleaving 9]', async () => {
  const tablet = new Device(app.url, 'alice');
  await tablet.schema();
  await tablet.register();
  await withPausedConsumer(database, async () => {
    await moveTo('bob');
    await bobWrites('secret of Bob');
    const [page] = await tablet.snapshot();
    expect(page?.has_more).toBe(false);
    expect(tablet.store.all('tasks').has(task)).toBe(false);
  });
  await consumed(database);
  await tablet.pull();
  expect(tablet.row('tasks', task)).toBeUndefined();
});

it('a task that comes back to Alice before the consumer has seen it leave is not lost [interleaving 9]', async () => {
  await retitle(database, task, 'still of Alice');
  await consumed(database);
  await withPausedConsumer(database, async () => {
    await moveTo('bob');
    await alice.pull(); // passes over the entry
    await moveTo('alice');
    await retitle(database, task, 'of Alice again');
  });
  await consumed(database);
  await alice.pull();
  expect(alice.row('tasks', task)).toMatchObject({ title: 'of Alice again' });
});

it('a task that its device makes again, as it was deleted before the device learned that it had made it, stays there [interleaving 9]', async () => {
  const id = randomUUID();
  const create = { id, table_name: 'tasks', operation: 'create', data: { title: 'made twice' } } as const;
  await alice.push([create]);
  await consumed(database);
  await database.query('DELETE FROM tasks WHERE id = $1', [id]);
  await consumed(database);
  await withPausedConsumer(database, async () => {
    alice.create('tasks', { title: 'made twice' }, id);
    await alice.sync();
    expect(alice.row('tasks', id)).toBeDefined();
  });
  await consumed(database);
  await alice.pull();
  expect(alice.row('tasks', id)).toMatchObject({ title: 'made twice' });
});

it('a comment under the moved task is left out with it [W-PULL-2] [interleaving 9]', async () => {
  const comment = await insertComment(database, task, 'of Alice');
  await consumed(database);
  await withPausedConsumer(database, async () => {
    await moveTo('bob');
    await database.query(
      `UPDATE comments SET body = 'secret of Bob', updated_at = clock_timestamp() WHERE id = $1`,
      [comment],
    );
    const page = await alice.pullPage();
    expect([...page.changes, ...page.deletes]).toEqual([]);
    await alice.pull();
  });
  await consumed(database);
  await alice.pull();
  await bob.pull();
  expect(alice.row('comments', comment)).toBeUndefined();
  expect(bob.row('comments', comment)).toMatchObject({ body: 'secret of Bob' });
});

/** The task is Bob's for a moment, within which `during` runs; the consumer learns of both moves at once. */
async function lentToBob(during: () => Promise<unknown>): Promise<void> {
  await withPausedConsumer(database, async () => {
    // It waits with this one in hand, and takes all that follows together.
    await insertTask(database, 'alice', 'another');
    await consumerWaits(database);
    await moveTo('bob');
    await during();
    await moveTo('alice');
    await allSent(database);
  });
  await consumed(database);
  await tasksDone(database);
}

it.each([
  ['', ', updated_at = clock_timestamp()'],
  [', also where its updated_at stayed as it was', ''],
])(
  'a comment that was left out for Alice comes when its task is hers again, though the log tells of no move%s [interleaving 9]',
  async (_, stamp) => {
    const comment = await insertComment(database, task, 'of Alice');
    await consumed(database);
    await alice.pull();
    await database.query(`UPDATE comments SET body = 'changed'${stamp} WHERE id = $1`, [comment]);
    await consumed(database);
    await lentToBob(() => alice.pull());
    await alice.pull();
    expect(alice.row('comments', comment)).toMatchObject({ body: 'changed' });
  },
);

it('so does one that a snapshot passed over [interleaving 9]', async () => {
  const comment = await insertComment(database, task, 'of Alice');
  await consumed(database);
  const tablet = new Device(app.url, 'alice');
  await tablet.schema();
  await tablet.register();
  await lentToBob(() => tablet.snapshot());
  await tablet.pull();
  expect(tablet.row('comments', comment)).toMatchObject({ body: 'of Alice' });
});

it('what Alice did to a comment meanwhile, which was refused, does not stay on her device [interleaving 9]', async () => {
  const [edited, deleted] = await Promise.all(
    ['to be edited', 'to be deleted'].map((body) => insertComment(database, task, body)),
  );
  await consumed(database);
  await alice.pull();
  await lentToBob(async () => {
    alice.update('comments', edited ?? '', { body: 'edited in vain' });
    alice.delete('comments', deleted ?? '');
    await alice.sync();
  });
  await alice.pull();
  expect(alice.row('comments', edited ?? '')).toMatchObject({ body: 'to be edited' });
  expect(alice.row('comments', deleted ?? '')).toMatchObject({ body: 'to be deleted' });
});

it('nor does what she did to one that the log did not know yet [interleaving 9]', async () => {
  const id = alice.create('comments', { task_id: task, body: 'made' });
  await withPausedConsumer(database, async () => {
    await insertTask(database, 'alice', 'another');
    await consumerWaits(database);
    await alice.sync();
    await moveTo('bob');
    alice.update('comments', id, { body: 'edited in vain' });
    await alice.sync();
    expect(alice.row('comments', id)).toMatchObject({ body: 'edited in vain' });
    const tasks = await database.query(
      `SELECT t.after_lsn > p.confirmed_lsn AS waits FROM sync_consumer_tasks t, sync_wal_position p
        WHERE t.kind = 'redeliver'`,
    );
    expect(tasks, 'what is told again waits for the log').toEqual([{ waits: true }]);
    await moveTo('alice');
    await allSent(database);
  });
  await consumed(database);
  await tasksDone(database);
  await alice.pull();
  expect(alice.row('comments', id)).toMatchObject({ body: 'made' });
});

it("a push's conflict answer shows nothing of it either [interleaving 9]", async () => {
  await withPausedConsumer(database, async () => {
    await moveTo('bob');
    await bobWrites('secret of Bob');
    const answer = await alice.send('push', {
      client_id: alice.clientId,
      changes: [
        {
          id: task,
          table_name: 'tasks',
          operation: 'update',
          data: { title: 'late edit of Alice' },
          client_updated_at: new Date().toISOString(),
          base_updated_at: null,
        },
      ],
      ...(await alice.schemaIds()),
    });
    expect(answer.status).toBe(200);
    expect(answer.text).not.toContain('secret of Bob');
    const { accepted, rejected } = answer.json as unknown as PushResponse;
    expect(accepted).toEqual([]);
    expect(rejected).toEqual([expect.objectContaining({ id: task, status: 'rejected_terminal' })]);
    expect(rejected[0]).not.toHaveProperty('server_version');
  });
});
