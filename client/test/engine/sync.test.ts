import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { retitle } from '../../../test/support/sample-rows.js';
import { eventually } from '../../../test/support/wait.js';
import { memoryStore } from '../../src/index.js';
import { device, insertTask, type SampleServer, startServer, syncedDevice } from '../support/devices.js';
import { Network, OFFLINE } from '../support/network.js';

let server: SampleServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

describe('a device', () => {
  it('gets the rows of its user, exact in every digit [W-CLIENT-13]', async () => {
    const user = randomUUID();
    const id = randomUUID();
    await server.database.query(
      `INSERT INTO tasks (id, user_id, title, estimate, big_count, labels, metadata, cover, due_at)
       VALUES ($1, $2, 'Milk', 5.00, 9007199254740993, '{a,b}', '{"n": 1.50, "s": "5.00"}', '\\x00ff',
               '2026-01-02T03:04:05.123456Z')`,
      [id, user],
    );
    const sync = await syncedDevice(server.url, user);
    const tasks = sync.table('tasks');
    await tasks.load();
    expect(tasks.get(id)).toMatchObject({
      title: 'Milk',
      estimate: '5.00',
      big_count: '9007199254740993',
      labels: ['a', 'b'],
      metadata: { n: 1.5, s: '5.00' },
      cover: 'AP8=',
      due_at: '2026-01-02T03:04:05.123456+00:00',
      deleted_at: null,
    });
  });

  it('pushes what it creates, updates and deletes, and shows the server’s columns then', async () => {
    const user = randomUUID();
    const sync = await syncedDevice(server.url, user);
    const tasks = sync.table('tasks');
    await tasks.load();
    const write = await tasks.create({
      title: 'Milk',
      estimate: '2.50',
      big_count: '9007199254740993',
      labels: ['x'],
      metadata: 'text',
      cover: 'AP8=',
      due_at: '2026-01-02T03:04:05.120Z',
    });
    expect(await write.verdict).toEqual({ status: 'applied' });
    const [row] = await server.database.query(
      `SELECT title, estimate::text, big_count::text, labels, metadata, cover, due_at FROM tasks WHERE id = $1`,
      [write.id],
    );
    expect(row).toMatchObject({
      title: 'Milk',
      estimate: '2.50',
      big_count: '9007199254740993',
      labels: ['x'],
      metadata: 'text',
      cover: Buffer.from([0, 255]),
      due_at: new Date('2026-01-02T03:04:05.120Z'),
    });
    await eventually(() => tasks.get(write.id)?.['user_id'] === user);
    expect(await (await tasks.update(write.id, { title: 'Beer' })).verdict).toEqual({ status: 'applied' });
    expect(await (await tasks.delete(write.id)).verdict).toEqual({ status: 'applied' });
    const [gone] = await server.database.query('SELECT title, deleted_at FROM tasks WHERE id = $1', [
      write.id,
    ]);
    expect(gone).toMatchObject({ title: 'Beer', deleted_at: expect.any(Date) as Date });
    expect(sync.status.get()).toMatchObject({ pending: 0, rejected: 0, error: null });
  });

  it('hears of another device’s change with the next pull', async () => {
    const user = randomUUID();
    const [one, two] = [await syncedDevice(server.url, user), await syncedDevice(server.url, user)];
    const { id, verdict } = await one.table('tasks').create({ title: 'Milk' });
    await verdict;
    await two.table('tasks').load();
    await eventually(async () => {
      await two.caughtUp();
      return two.table('tasks').get(id)?.['title'] === 'Milk';
    });
  });

  it('sends only the columns that an update names', async () => {
    const user = randomUUID();
    const id = await insertTask(server, user, 'Milk');
    const network = new Network();
    const sync = await syncedDevice(server.url, user, { fetch: network.fetch });
    await (
      await sync.table('tasks').update(id, { priority: 3 })
    ).verdict;
    const changes = network.to('push').at(-1)?.body['changes'] as readonly { data: object }[] | undefined;
    expect(changes?.map(({ data }) => data)).toEqual([{ priority: 3 }]);
  });

  it('refuses what can’t be sent at the call, with the column’s name', async () => {
    const sync = await syncedDevice(server.url, randomUUID());
    const tasks = sync.table('tasks');
    await expect(tasks.create({ titel: 'x' })).rejects.toMatchObject({ code: 'unknown_column' });
    await expect(tasks.create({ title: 5 })).rejects.toThrow(
      /tasks\.title \(text\) takes a string, not the number 5/,
    );
    await expect(tasks.create({ title: null })).rejects.toMatchObject({ code: 'invalid_value' });
    await expect(tasks.create({ title: 'x', updated_at: 'now' })).rejects.toMatchObject({
      code: 'read_only_column',
    });
    await expect(sync.table('nothing').create({})).rejects.toMatchObject({ code: 'unknown_table' });
    await expect(tasks.update(randomUUID(), { title: 'x' })).rejects.toMatchObject({
      code: 'record_not_found',
    });
    expect(sync.status.get().pending).toBe(0);
  });
});

describe('offline', () => {
  it('edits go on, are kept over a restart, and are pushed once there is a network', async () => {
    const user = randomUUID();
    const store = memoryStore();
    const id = await insertTask(server, user, 'Milk');
    const network = new Network();
    const first = await syncedDevice(server.url, user, { store, fetch: network.fetch });
    network.fault = OFFLINE;
    await first.table('tasks').update(id, { title: 'Beer' });
    const { id: made } = await first.table('tasks').create({ title: 'Bread' });
    await eventually(() => first.status.get().phase === 'offline' || first.status.get().error !== null);
    expect(first.status.get().pending).toBe(2);
    await first.close();

    const second = await device(server.url, user, { store, fetch: network.fetch });
    const tasks = second.table('tasks');
    await tasks.load();
    expect(tasks.query({ orderBy: 'title' }).map(({ title }) => title)).toEqual(['Beer', 'Bread']);
    network.fault = () => undefined;
    await second.caughtUp();
    const rows = await server.database.query(
      'SELECT id, title FROM tasks WHERE user_id = $1 ORDER BY title',
      [user],
    );
    expect(rows).toEqual([
      { id, title: 'Beer' },
      { id: made, title: 'Bread' },
    ]);
    expect(second.status.get().pending).toBe(0);
  });

  it('edits of one record are one push, and a delete of what was never pushed is none', async () => {
    const network = new Network();
    const sync = await syncedDevice(server.url, randomUUID(), { fetch: network.fetch });
    network.fault = OFFLINE;
    const tasks = sync.table('tasks');
    const { id } = await tasks.create({ title: 'Milk' });
    await tasks.update(id, { priority: 1 });
    await tasks.update(id, { title: 'Beer' });
    expect(sync.status.get().pending).toBe(1);
    const before = network.to('push').length;
    network.fault = () => undefined;
    await sync.caughtUp();
    expect(network.to('push')).toHaveLength(before + 1);
    expect(network.to('push').at(-1)?.body['changes']).toMatchObject([
      { operation: 'create', data: { title: 'Beer', priority: 1 } },
    ]);
  });
});

describe('a conflict', () => {
  it('leaves the server’s version, tells mine, theirs and base, and keepMine makes the edit again [W-CLIENT-6]', async () => {
    const user = randomUUID();
    const id = await insertTask(server, user, 'Milk');
    const network = new Network();
    const sync = await syncedDevice(server.url, user, { fetch: network.fetch });
    const tasks = sync.table('tasks');
    await tasks.load();
    network.fault = OFFLINE;
    const write = await tasks.update(id, { title: 'Mine' });
    // The conflict goes by the server's clock: later than the edit by more than the tolerance.
    await server.database.query(
      `UPDATE tasks SET title = 'Theirs', updated_at = clock_timestamp() + interval '1 hour' WHERE id = $1`,
      [id],
    );
    network.fault = () => undefined;
    expect(await write.verdict).toMatchObject({ status: 'conflict', reason: 'server_won_conflict' });
    expect(tasks.get(id)?.['title']).toBe('Theirs');
    // No listener has handled the conflict: the user's edit is kept.
    await eventually(() => sync.rejected.get().length === 1);
    const told = await new Promise<{ mine: unknown; theirs: unknown; base: unknown }>((resolve) => {
      sync.on('conflict', async (conflict) => {
        await conflict.keepMine();
        resolve(conflict);
      });
    });
    expect(told).toMatchObject({
      mine: { title: 'Mine' },
      theirs: { title: 'Theirs' },
      base: { title: 'Milk' },
    });
    await sync.caughtUp();
    const rows = await server.database.query('SELECT title FROM tasks WHERE id = $1', [id]);
    expect(rows).toEqual([{ title: 'Mine' }]);
    expect(sync.rejected.get()).toEqual([]);
  });
});

describe('a pull', () => {
  it('keeps pending edits on top, column by column [W-CLIENT-1]', async () => {
    const user = randomUUID();
    const id = await insertTask(server, user, 'Milk');
    const network = new Network();
    const sync = await syncedDevice(server.url, user, { fetch: network.fetch });
    const tasks = sync.table('tasks');
    await tasks.load();
    network.fault = ({ route }) => (route === 'push' ? 'offline' : undefined);
    await tasks.update(id, { priority: 7 });
    await retitle(server.database, id, 'Beer');
    await eventually(async () => {
      await expect(sync.caughtUp({ timeout: 50 })).rejects.toMatchObject({ code: 'not_caught_up' });
      return tasks.get(id)?.['title'] === 'Beer';
    });
    expect(tasks.get(id)).toMatchObject({ title: 'Beer', priority: 7 });
  });
});
