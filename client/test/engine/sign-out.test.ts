import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../../test/support/wait.js';
import { memoryStore } from '../../src/index.js';
import { device, insertTask, syncedDevice } from '../support/devices.js';
import { gate, OFFLINE } from '../support/network.js';
import { sampleUser } from '../support/sample-user.js';
import { STORES } from '../support/stores.js';

const sample = sampleUser();

describe('a sign-out', () => {
  it('pushes what is pending first, or says that it can’t and leaves everything [W-CLIENT-9]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    await sync.table('tasks').create({ title: 'Milk' });
    await expect(sync.signOut({ timeout: 200 })).rejects.toMatchObject({ code: 'edits_pending' });
    await sync.table('tasks').load();
    expect(sync.table('tasks').query()).toHaveLength(1);
    sample.network.fault = () => undefined;
    await sync.signOut();
    const rows = await sample.server.database.query('SELECT title FROM tasks WHERE user_id = $1', [
      sample.user,
    ]);
    expect(rows).toEqual([{ title: 'Milk' }]);
  });

  it.each(STORES)(
    'from the store $name does not take along an edit that is made after all was pushed [W-CLIENT-19]',
    async (kind) => {
      const store = await kind.make();
      let lastEdit: (() => Promise<unknown>) | null = async () =>
        sync.table('tasks').create({ title: 'Late' });
      const sync = await syncedDevice(sample.server.url, sample.user, {
        store: {
          open: async (user) => {
            const open = await store.open(user);
            const destroy: typeof open.destroy = async (check) => {
              await lastEdit?.();
              lastEdit = null;
              await open.destroy(check);
            };
            return Object.assign(Object.create(open) as typeof open, { destroy });
          },
        },
      });
      await sync.table('tasks').create({ title: 'Early' });
      await expect(sync.signOut()).rejects.toMatchObject({ code: 'edits_pending' });
      await sync.caughtUp();
      expect(await sample.titles()).toEqual(['Early', 'Late']);
      await sync.signOut();
      await expect(sync.table('tasks').create({ title: 'x' })).rejects.toMatchObject({ code: 'closed' });
    },
  );

  it('does not take along an edit that the server refuses meanwhile [W-CLIENT-27]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    // It does not fit into numeric(10,2).
    const { id } = await sync.table('tasks').create({ title: 'Milk', estimate: '99999999999.99' });
    sample.network.fault = () => undefined;
    await expect(sync.signOut()).rejects.toMatchObject({ code: 'edits_rejected' });
    await eventually(() => sync.rejected.get().length === 1);
    expect(sync.rejected.get()).toMatchObject([{ id, patch: { title: 'Milk' } }]);
    // The app has seen it now.
    await sync.signOut();
    await expect(sync.table('tasks').create({ title: 'x' })).rejects.toMatchObject({ code: 'closed' });
  });

  it('that keeps the edits has them when the user comes back [W-CLIENT-9]', async () => {
    const store = memoryStore();
    const sync = await syncedDevice(sample.server.url, sample.user, { store, fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    await sync.table('tasks').create({ title: 'Milk' });
    await sync.signOut({ pending: 'keep' });
    const other = await device(sample.server.url, randomUUID(), { store, fetch: sample.network.fetch });
    await other.table('tasks').load();
    expect(other.table('tasks').query()).toEqual([]);
    const again = await device(sample.server.url, sample.user, { store, fetch: sample.network.fetch });
    await again.table('tasks').load();
    expect(again.table('tasks').query()).toMatchObject([{ title: 'Milk' }]);
  });

  it('empties every list, and a read or an edit under way does not fill one again [W-CLIENT-9]', async () => {
    await insertTask(sample.server, sample.user, 'Secret');
    const sync = await syncedDevice(sample.server.url, sample.user);
    const [tasks, comments] = [sync.table('tasks'), sync.table('comments')];
    await tasks.load();
    expect(tasks.query()).toHaveLength(1);
    let notified = 0;
    tasks.subscribe(() => (notified += 1));
    const underWay = [tasks.create({ title: 'Mine' }), comments.load()];
    await sync.signOut({ pending: 'discard' });
    await Promise.allSettled(underWay);
    expect([tasks.query(), comments.query()]).toEqual([[], []]);
    expect(notified).toBeGreaterThan(0);
  });

  it.each(STORES)(
    'leaves nothing in the store $name, and an answer under way does not fill it [W-CLIENT-9]',
    async (kind) => {
      await insertTask(sample.server, sample.user, 'Secret');
      const store = await kind.make();
      const late = gate();
      sample.network.after = ({ route }) => (route === 'snapshot' ? late.opened : undefined);
      const sync = await device(sample.server.url, sample.user, { store, fetch: sample.network.fetch });
      await eventually(() => sample.network.to('snapshot').length > 0);
      const done = sync.signOut({ pending: 'discard' });
      late.open();
      await done;
      const left = await store.open(sample.user);
      expect(
        await left.transact({ schema: true }, ({ meta, schema }) => ({ result: [meta, schema] })),
      ).toEqual([null, null]);
      expect((await left.readTable('tasks')).size).toBe(0);
      await left.close();
      await expect(sync.table('tasks').create({ title: 'x' })).rejects.toMatchObject({ code: 'closed' });
    },
  );
});

describe('a refused create', () => {
  it('takes along what was created under it, and both come back with a retry [W-CLIENT-5]', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = OFFLINE;
    const task = await sync.table('tasks').create({ title: 'Bad', estimate: '99999999999.99' });
    const comment = await sync.table('comments').create({ task_id: task.id, body: 'Under it' });
    sample.network.fault = () => undefined;
    expect(await comment.verdict).toMatchObject({ status: 'rejected', reason: 'parent_rejected' });
    await eventually(() => sync.rejected.get().length === 2);
    expect(sync.status.get()).toMatchObject({ pending: 0, rejected: 2 });
    const [first] = sync.rejected.get().filter(({ table }) => table === 'tasks');
    sample.network.fault = OFFLINE;
    await sync.rejected.retry(first?.key ?? '');
    expect(sync.status.get()).toMatchObject({ pending: 2, rejected: 0 });
    await sync.table('tasks').update(task.id, { estimate: '1.00' });
    sample.network.fault = () => undefined;
    await sync.caughtUp();
    const rows = await sample.server.database.query('SELECT body FROM comments WHERE task_id = $1', [
      task.id,
    ]);
    expect(rows).toEqual([{ body: 'Under it' }]);
  });
});

describe('a delete', () => {
  it('of what was never pushed removes what was created under it, and sends neither', async () => {
    const sync = await syncedDevice(sample.server.url, sample.user, { fetch: sample.network.fetch });
    sample.network.fault = ({ route }) => (route === 'push' ? 'offline' : undefined);
    const before = sample.network.to('push').length;
    const [tasks, comments] = [sync.table('tasks'), sync.table('comments')];
    await Promise.all([tasks.load(), comments.load()]);
    const writes = await sync.transaction((tx) => {
      const id = tx.table('tasks').create({ title: 'Milk' });
      const comment = tx.table('comments').create({ task_id: id, body: 'Under it' });
      expect(tx.table('comments').get(comment)).toMatchObject({ body: 'Under it' });
      tx.table('tasks').delete(id);
    });
    expect(writes).toHaveLength(3);
    for (const { verdict } of writes) expect(await verdict).toEqual({ status: 'discarded' });
    expect([tasks.query(), comments.query()]).toEqual([[], []]);
    expect(sync.status.get().pending).toBe(0);
    expect(sample.network.to('push')).toHaveLength(before);
  });
});
