import { randomUUID } from 'node:crypto';
import { DataSource } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { ACCESSES } from '../support/push-fixture.js';
import { grantForPool, migrateWithPolicies, onPoolOf, replicationOf } from '../support/rls-app.js';
import { createRole, type TestRole } from '../support/roles.js';

describe.each(ACCESSES)('the sample app as %s', (access) => {
  let database: TestDatabase;
  let role: TestRole;
  let app: RunningApp;
  let alice: Device;
  let bob: Device;
  let task: string;

  beforeAll(async () => {
    database = await createDatabase();
    role = await createRole(database);
    if (access !== 'superuser') await migrateWithPolicies(database, role);
    if (access === 'bound pool') await grantForPool(database, role);
    app = await startApp(
      access === 'bound pool'
        ? onPoolOf(role, database)
        : {
            database,
            ...(access === 'pushRole' && {
              synchro: { replication: replicationOf(database), pushRole: role.name },
            }),
          },
    );
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
    await role.drop();
  });
  beforeEach(async () => {
    [alice, bob] = [new Device(app.url, 'alice'), new Device(app.url, 'bob')];
    for (const device of [alice, bob]) await device.start();
    task = alice.create('tasks', { title: 'first', user_id: 'alice' });
    await alice.pushPending();
    await consumed(database);
  });

  it("[scenario 114] takes Alice's changes of her row, and none of Bob's", async () => {
    const change = { id: task, table_name: 'tasks', operation: 'update', data: { title: 'of Bob' } } as const;
    const answer = await bob.push([change]);
    expect([answer.accepted.length, answer.rejected.length]).toEqual([0, 1]);
    expect(answer.rejected).toMatchObject([{ status: 'rejected_terminal' }]);
    alice.update('tasks', task, { title: 'second' });
    await alice.pushPending();
    expect(await database.query('SELECT title FROM tasks WHERE id = $1', [task])).toEqual([
      { title: 'second' },
    ]);
  });

  it('[scenario 125] lets Alice update, delete and restore her task, and write under it; Bob nothing of it', async () => {
    alice.update('tasks', task, { title: 'second' });
    await alice.pushPending();
    alice.delete('tasks', task);
    await alice.pushPending();
    const deletion = { id: task, table_name: 'tasks', operation: 'delete' } as const;
    expect((await bob.push([deletion])).accepted).toEqual([]);
    alice.create('tasks', { title: 'back', user_id: 'alice' }, task);
    const comment = alice.create('comments', { task_id: task, body: 'x' });
    await alice.pushPending();
    const [id, created] = [randomUUID(), randomUUID()];
    const answer = await bob.push([
      { id, table_name: 'comments', operation: 'create', data: { task_id: task, body: 'of Bob' } },
      { id: created, table_name: 'tasks', operation: 'create', data: { title: 'of Bob', user_id: 'alice' } },
    ]);
    expect(answer.accepted.map((accepted) => accepted.id)).toEqual([created]);
    expect(await database.query('SELECT user_id FROM tasks WHERE id = $1', [created])).toEqual([
      { user_id: 'bob' },
    ]);
    expect(await database.query('SELECT id FROM comments WHERE task_id = $1', [task])).toEqual([
      { id: comment },
    ]);
    expect(await database.query('SELECT FROM sync_parked_rows')).toEqual([]);
  });

  it('brings to pulls and snapshots what is shared or global, and no other row [interleaving 21] [W-SNAP-1]', async () => {
    const comment = alice.create('comments', { task_id: task, body: 'x' });
    await alice.pushPending();
    await database.query('INSERT INTO task_shares VALUES ($1, $2)', [task, 'bob']);
    const [tag, category] = [randomUUID(), randomUUID()];
    await database.query(`INSERT INTO tags (id, name) VALUES ($1, 'everyone')`, [tag]);
    await database.query(`INSERT INTO categories (id, name) VALUES ($1, 'reference')`, [category]);
    const own = bob.create('tasks', { title: 'of Bob', user_id: 'bob' });
    await bob.pushPending();
    await consumed(database);
    const later = new Device(app.url, 'bob');
    await later.start();
    await bob.pull();
    for (const device of [bob, later]) {
      expect(device.row('tasks', task)).toMatchObject({ title: 'first' });
      expect(device.row('comments', comment)).toMatchObject({ body: 'x' });
      expect(device.row('tags', tag)).toMatchObject({ name: 'everyone' });
      expect(device.row('categories', category)).toMatchObject({ name: 'reference' });
    }
    const carol = new Device(app.url, 'carol');
    await carol.start();
    await alice.pull();
    expect([carol.rows('tasks').size, carol.rows('comments').size]).toEqual([0, 0]);
    expect(alice.row('tasks', own)).toBeUndefined();

    // What Bob reads he does not write.
    const answer = await bob.push([
      { id: task, table_name: 'tasks', operation: 'update', data: { title: 'mine' } },
    ]);
    expect(answer.rejected).toMatchObject([
      { reason_code: 'ownership_violation', server_version: { id: task } },
    ]);

    await database.query('DELETE FROM task_shares');
    await consumed(database);
    await bob.pull();
    expect(bob.row('tasks', task)).toBeUndefined();
    expect(bob.row('comments', comment)).toBeUndefined();
  });

  it('parks a child whose parent is still to come, and writes it with that', async () => {
    const parent = randomUUID();
    const comment = alice.create('comments', { task_id: parent, body: 'early' });
    await alice.pushPending();
    expect(await database.query('SELECT record_id FROM sync_parked_rows')).toEqual([{ record_id: comment }]);
    alice.create('tasks', { title: 'late', user_id: 'alice' }, parent);
    await alice.pushPending();
    expect(await database.query('SELECT id FROM comments WHERE task_id = $1', [parent])).toEqual([
      { id: comment },
    ]);
    expect(await database.query('SELECT FROM sync_parked_rows')).toEqual([]);
  });

  it("leaves no user and no role behind on the pool's connections, whatever became of the requests", async () => {
    await database.query(`ALTER TABLE tasks ADD CONSTRAINT refusal CHECK (title <> 'refused')`);
    alice.create('tasks', { title: 'refused', user_id: 'alice' });
    const [answer] = await alice.pushPending();
    expect(answer?.rejected).toMatchObject([{ reason_code: 'create_failed' }]);
    await alice.pull();
    // Fails after its context was opened, and rolls back.
    const stranger = await alice.send('pull', {
      client_id: 'nobody',
      checkpoint: 0,
      ...(await alice.schemaIds()),
    });
    expect(stranger.status).toBeGreaterThanOrEqual(400);
    const dataSource = app.app.get(DataSource);
    const runners = Array.from({ length: 10 }, () => dataSource.createQueryRunner());
    try {
      const [{ user } = { user: '' }] = await dataSource.query('SELECT session_user AS user');
      for (const runner of runners) {
        const state = await runner.query(
          `SELECT coalesce(current_setting('app.user_id', true), '') AS id, current_user AS role,
                  coalesce(current_setting('app.buckets', true), '') AS buckets`,
        );
        expect(state).toEqual([{ id: '', role: user, buckets: '' }]);
      }
    } finally {
      for (const runner of runners) await runner.release();
      await database.query('ALTER TABLE tasks DROP CONSTRAINT refusal');
    }
  });
});
