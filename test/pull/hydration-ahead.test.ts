import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OwnershipResolver } from '../../lib/index.js';
import { SharingResolver } from '../../sample-app/tasks/sharing.resolver.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed, consumerWaits } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask, retitle } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import { logOf } from '../support/wal-app.js';

// A page's rows are read as they are now: they may be ahead of the log. A device that got a row that way, then its
// delete from the log, must not skip what brings the row back because it knows the version already.
describe.each([
  ['the default rule', []],
  ['a rule of the host', [{ provide: OwnershipResolver, useClass: SharingResolver }]],
])('a row that goes and comes back while the consumer is behind, with %s', (_, providers) => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;

  beforeAll(async () => {
    database = await createDatabase();
    const { slotName, publicationName } = database;
    const replication = { slotName, publicationName, batchRows: 1 };
    app = await startApp({ database, synchro: { providers, replication } });
    alice = new Device(app.url, 'alice');
    await alice.start();
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  const run = (sql: string, id: string): Promise<unknown> => database.query(sql, [id]);
  const moveTo =
    (user: string) =>
    (id: string): Promise<unknown> =>
      run(`UPDATE tasks SET user_id = '${user}', updated_at = clock_timestamp() WHERE id = $1`, id);
  const softDelete = (id: string): Promise<unknown> =>
    run('UPDATE tasks SET deleted_at = now(), updated_at = clock_timestamp() WHERE id = $1', id);
  const undelete = (id: string): Promise<unknown> =>
    run('UPDATE tasks SET deleted_at = NULL, updated_at = clock_timestamp() WHERE id = $1', id);

  it.each([
    ['is soft-deleted and undeleted', softDelete, undelete],
    [
      'is soft-deleted and undeleted, and its updated_at does not move',
      (id: string) => run('UPDATE tasks SET deleted_at = now() WHERE id = $1', id),
      (id: string) => run('UPDATE tasks SET deleted_at = NULL WHERE id = $1', id),
    ],
    ['moves to another user and back', moveTo('bob'), moveTo('alice')],
    [
      'is deleted and made anew',
      (id: string) => run('DELETE FROM tasks WHERE id = $1', id),
      (id: string) =>
        run(
          `INSERT INTO tasks (id, user_id, title, updated_at) VALUES ($1, 'alice', 'second', clock_timestamp())`,
          id,
        ),
    ],
  ])('arrives when it %s', async (_case, go, comeBack) => {
    const id = await insertTask(database, 'alice', 'first');
    await expectAfterwards(id, alice, go, comeBack);
  });

  /** A task that Alice's device has. */
  async function known(): Promise<string> {
    const id = await insertTask(database, 'alice', 'first');
    await consumed(database);
    await alice.pull();
    return id;
  }

  it('gets no delete meanwhile when it is undeleted by then', async () => {
    const id = await known();
    await step(async (next) => {
      await softDelete(id);
      await undelete(id);
      await untilLogged(id, 'delete user:alice', next);
      const pages = await alice.pull();
      expect(pages.flatMap(({ deletes }) => deletes)).toEqual([]);
    });
    await consumed(database);
  });

  it('goes for good when it is soft-deleted, moves, and is undeleted there', async () => {
    const id = await known();
    await step(async (next) => {
      await softDelete(id);
      await moveTo('bob')(id);
      await undelete(id);
      await untilLogged(id, 'delete user:alice', next);
      await alice.pull();
    });
    await consumed(database);
    await alice.pull();
    expect(alice.row('tasks', id)).toBeUndefined();
  });

  async function expectAfterwards(
    id: string,
    device: Device,
    go: (id: string) => Promise<unknown>,
    comeBack: (id: string) => Promise<unknown>,
  ): Promise<void> {
    await consumed(database);
    await device.pull();
    expect(device.row('tasks', id)).toMatchObject({ title: 'first' });
    await retitle(database, id, 'second');
    await consumed(database);
    await step(async (next) => {
      await go(id);
      await comeBack(id);
      await retitle(database, id, 'third');
      await device.pull();
      expect(device.row('tasks', id)).toMatchObject({ title: 'third' });
      await untilLogged(id, 'delete user:alice', next);
      await device.pull();
    });
    await consumed(database);
    await device.pull();
    expect(device.row('tasks', id)).toMatchObject({ title: 'third' });
  }

  async function untilLogged(id: string, entry: string, next: () => Promise<void>): Promise<void> {
    while (!(await logOf(database, 'tasks', id)).includes(entry)) await next();
  }

  /** Runs `work` while the consumer waits; each call of its argument lets the consumer write a single batch. */
  async function step(work: (next: () => Promise<void>) => Promise<void>): Promise<void> {
    let holder = await connect();
    await holder.query(HOLD);
    try {
      await work(async () => {
        await consumerWaits(database);
        const follower = await connect();
        const held = follower.query(HOLD);
        await eventually(async () => (await waiting()) === 2);
        // The consumer is first in the line, and the follower before it can ask again.
        await holder.end();
        holder = follower;
        await held;
      });
    } finally {
      await holder.end();
    }
  }

  async function connect(): Promise<Client> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query('BEGIN');
    return client;
  }

  async function waiting(): Promise<number> {
    const rows = await database.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    return rows.length;
  }
});

const HOLD = 'SELECT FROM sync_wal_position FOR UPDATE';
