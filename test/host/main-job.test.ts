import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADAPTERS } from '../support/adapters.js';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { eventually } from '../support/wait.js';
import { toJson, type Row } from '../support/wire.js';

describe.each(ADAPTERS)('the main job on %s', (_platform, adapter) => {
  const task = randomUUID();
  const comment = randomUUID();
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;
  let tablet: Device;
  let bob: Device;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database, adapter: adapter() });
    [phone, tablet, bob] = [
      new Device(app.url, 'alice'),
      new Device(app.url, 'alice'),
      new Device(app.url, 'bob'),
    ];
    for (const device of [phone, tablet, bob]) await device.start();
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('brings a task and a comment under it from one device of a user to the other within a second', async () => {
    phone.create('tasks', { title: 'buy milk', user_id: 'alice' }, task);
    phone.create('comments', { task_id: task, body: 'two litres' }, comment);
    await phone.pushPending();
    await until(tablet, 1_000, () => {
      expect(tablet.rows('tasks').get(task)).toMatchObject({ title: 'buy milk', deleted_at: null });
      expect(tablet.rows('comments').get(comment)).toMatchObject({ body: 'two litres' });
    });
  });

  it('shows another user nothing, and lets him change and learn nothing', async () => {
    await bob.pull();
    expect([...bob.rows('tasks').keys(), ...bob.rows('comments').keys()]).toEqual([]);
    const now = new Date().toISOString();
    const change = { id: task, table_name: 'tasks', client_updated_at: now, data: { title: 'mine' } };
    const answer = await bob.push([
      { ...change, operation: 'update' },
      { ...change, operation: 'delete' },
      { ...change, operation: 'create' },
      { ...change, id: comment, table_name: 'comments', operation: 'update', data: { body: 'mine' } },
      {
        ...change,
        id: randomUUID(),
        table_name: 'comments',
        operation: 'create',
        data: { task_id: task, body: 'x' },
      },
    ]);
    expect(answer.accepted).toEqual([]);
    expect(await database.query<Row>('SELECT body FROM comments')).toEqual([{ body: 'two litres' }]);
    expect(JSON.stringify(answer)).not.toMatch(/milk|litres|alice/);
    const rows = await database.query<Row>('SELECT title, user_id FROM tasks');
    expect(rows).toEqual([{ title: 'buy milk', user_id: 'alice' }]);
  });

  it('brings an update, a delete and an undelete', async () => {
    phone.update('tasks', task, { title: 'buy oat milk', big_count: '9223372036854775807' });
    await phone.pushPending();
    await until(tablet, 5_000, () => {
      expect(tablet.rows('tasks').get(task)).toMatchObject({ title: 'buy oat milk' });
      expect(toJson(tablet.rows('tasks').get(task)?.['big_count'])).toBe('9223372036854775807');
    });
    phone.delete('tasks', task);
    await phone.pushPending();
    await until(tablet, 5_000, () => expect(tablet.rows('tasks').has(task)).toBe(false));
    phone.create('tasks', { title: 'buy oat milk again', user_id: 'alice' }, task);
    await phone.pushPending();
    await until(tablet, 5_000, () => {
      expect(tablet.rows('tasks').get(task)).toMatchObject({ title: 'buy oat milk again', deleted_at: null });
    });
  });

  it('shares a task with its comments by a row in SQL, read-only, and takes both back', async () => {
    await database.query(`INSERT INTO task_shares (task_id, shared_with_user_id) VALUES ($1, 'bob')`, [task]);
    await until(bob, 5_000, () => {
      expect(bob.rows('tasks').get(task)).toMatchObject({ title: 'buy oat milk again' });
      expect(bob.rows('comments').get(comment)).toMatchObject({ body: 'two litres' });
    });
    bob.update('tasks', task, { title: 'mine now' });
    await bob.pushPending();
    expect(bob.row('tasks', task)).toMatchObject({ title: 'buy oat milk again' });
    await database.query('DELETE FROM task_shares');
    await until(bob, 5_000, () => {
      expect([...bob.rows('tasks').keys(), ...bob.rows('comments').keys()]).toEqual([]);
    });
  });

  it('brings rows that SQL wrote, also while the app was down', async () => {
    await database.query(`INSERT INTO tasks (title, user_id) VALUES ('from sql', 'alice')`);
    await database.query(`INSERT INTO categories (name) VALUES ('for everyone')`);
    await until(tablet, 5_000, () => expect(titles(tablet)).toContain('from sql'));
    await until(bob, 5_000, () => expect(bob.rows('categories').size).toBe(1));

    await app.close();
    await database.query(`INSERT INTO tasks (title, user_id) VALUES ('while it was down', 'alice')`);
    await database.query(
      `UPDATE tasks SET title = 'sql changed it', updated_at = now() WHERE title = 'from sql'`,
    );
    app = await startApp({ database, adapter: adapter() });
    tablet.url = app.url;
    await until(tablet, 5_000, () => {
      expect(titles(tablet)).toEqual(expect.arrayContaining(['while it was down', 'sql changed it']));
    });
    expect(tablet.snapshotReasons).toEqual([]);
  });
});

async function until(device: Device, timeout: number, check: () => void): Promise<void> {
  await eventually(
    async () => {
      await device.pull();
      check();
    },
    { timeout },
  );
}

function titles(device: Device): readonly unknown[] {
  return [...device.rows('tasks').values()].map((row) => row['title']);
}
