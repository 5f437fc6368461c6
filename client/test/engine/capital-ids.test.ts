import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { insertTask, syncedDevice } from '../support/devices.js';
import { sampleUser } from '../support/sample-user.js';

const sample = sampleUser();

describe('an id that an app writes in capitals', () => {
  it('names the one row that the server has, from the first moment on [W-CLIENT-26]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const tasks = sync.table('tasks');
    await tasks.load();
    const id = randomUUID();
    const { id: made, verdict } = await tasks.create({ id: id.toUpperCase(), title: 'Milk' });
    expect(made).toBe(id);
    expect(await verdict).toMatchObject({ status: 'applied' });
    await sync.caughtUp();
    expect(tasks.query()).toMatchObject([{ id, title: 'Milk' }]);
    expect(tasks.get(id.toUpperCase())).toMatchObject({ title: 'Milk' });
    await (
      await tasks.update(id.toUpperCase(), { title: 'Beer' })
    ).verdict;
    expect(tasks.query()).toMatchObject([{ id, title: 'Beer' }]);
    await (
      await tasks.delete(id.toUpperCase())
    ).verdict;
    await sync.caughtUp();
    expect(tasks.query()).toEqual([]);
    expect(await sample.titles()).toEqual([]);
  });

  it('is the same in a reference: what was made under a record is taken along with it [W-CLIENT-26]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const comments = sync.table('comments');
    await comments.load();
    const id = await insertTask(sample.server, sample.user, 'Milk');
    await sync.caughtUp();
    const mine = randomUUID();
    await sync.transaction((tx) => {
      tx.table('tasks').create({ id: mine.toUpperCase(), title: 'Mine' });
      tx.table('comments').create({ task_id: mine.toUpperCase(), body: 'taken along' });
      tx.table('comments').create({ task_id: id.toUpperCase(), body: 'stays' });
      tx.table('tasks').delete(mine);
    });
    expect(comments.query()).toMatchObject([{ task_id: id, body: 'stays' }]);
    await sync.caughtUp();
    expect(comments.query()).toMatchObject([{ task_id: id, body: 'stays' }]);
  });

  it('is the same in a create whose answer was lost [W-CLIENT-26]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    const id = await insertTask(sample.server, sample.user, 'Milk');
    await sync.caughtUp();
    let lost = 0;
    sample.network.fault = ({ route }) => (route === 'push' && (lost += 1) === 1 ? 'lost' : undefined);
    const { verdict } = await sync
      .table('comments')
      .create({ id: randomUUID().toUpperCase(), task_id: id.toUpperCase(), body: 'Hello' });
    expect(await verdict).toMatchObject({ status: 'applied' });
    expect(sync.rejected.get()).toEqual([]);
  });
});
