import { createCollection, createLiveQueryCollection, eq } from '@tanstack/db';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { insertComment, retitle } from '../../../test/support/sample-rows.js';
import { eventually } from '../../../test/support/wait.js';
import { memoryStore, type Sync, type Table } from '../../src/index.js';
import { syncCollectionOptions } from '../../src/tanstack-db/index.js';
import { device, insertTask, insertTasks, syncedDevice } from '../support/devices.js';
import { OFFLINE } from '../support/network.js';
import { sampleUser } from '../support/sample-user.js';

interface Task {
  id: string;
  user_id: string | null;
  title: string;
  priority: number | null;
  estimate: string | null;
  updated_at: string;
}

interface Tables {
  tasks: {
    row: Task;
    create: { id?: string; title: string; priority?: number | null; estimate?: string | null };
    update: { title?: string; priority?: number | null; estimate?: string | null };
  };
  comments: {
    row: { id: string; task_id: string; body: string; updated_at: string };
    create: { id?: string; task_id: string; body: string };
    update: { body?: string };
  };
}

const sample = sampleUser();

async function synced(options: Parameters<typeof device>[2] = {}): Promise<Sync<Tables>> {
  const sync = await syncedDevice(sample.server.url, sample.user, options);
  return sync as unknown as Sync<Tables>;
}

/** With a network that can break, and has no streams. */
const faulty = (): Parameters<typeof device>[2] => ({ fetch: sample.network.fetch });

/** A collection of the tasks that is ready. */
async function tasksOf(sync: Sync<Tables>) {
  const tasks = createCollection(syncCollectionOptions(sync.table('tasks')));
  await tasks.preload();
  return tasks;
}

const titlesOf = (tasks: { readonly toArray: readonly { readonly title: string }[] }): readonly string[] =>
  tasks.toArray.map(({ title }) => title).toSorted();

describe('a collection of TanStack DB', () => {
  it('joins two tables in a live query, and follows what the server tells', async () => {
    const { database } = sample.server;
    const id = await insertTask(sample.server, sample.user, 'Milk');
    await insertComment(database, id, 'Two litres');
    const sync = await synced();
    const tasks = createCollection(syncCollectionOptions(sync.table('tasks')));
    const comments = createCollection(syncCollectionOptions(sync.table('comments')));
    const joined = createLiveQueryCollection((query) =>
      query
        .from({ comment: comments })
        .innerJoin({ task: tasks }, ({ comment, task }) => eq(comment.task_id, task.id))
        .orderBy(({ comment }) => comment.body)
        .select(({ comment, task }) => ({ body: comment.body, title: task.title })),
    );
    await joined.preload();
    expect(joined.toArray).toMatchObject([{ body: 'Two litres', title: 'Milk' }]);
    await retitle(database, id, 'Oat milk');
    await insertComment(database, id, 'Cold');
    await eventually(() =>
      expect(joined.toArray).toMatchObject([
        { body: 'Cold', title: 'Oat milk' },
        { body: 'Two litres', title: 'Oat milk' },
      ]),
    );
  });

  it('shows an edit at once, a whole row, and has it persisted when it is durable, offline too', async () => {
    const sync = await synced(faulty());
    const tasks = await tasksOf(sync);
    sample.network.fault = OFFLINE;
    const seen: (string | undefined)[] = [];
    const inserted = tasks.insert({ title: 'Milk' });
    const [row] = tasks.toArray;
    expect(row).toMatchObject({ title: 'Milk', priority: null });
    tasks.subscribeChanges(
      (changes) => seen.push(...changes.map(({ type, value }) => `${type} ${value.title}`)),
      { includeInitialState: true },
    );
    await inserted.isPersisted.promise;
    const id = row?.id ?? '';
    expect(sync.status.get().pending).toBe(1);
    await tasks.update(id, (draft) => {
      draft.priority = 3;
    }).isPersisted.promise;
    expect(tasks.get(id)).toMatchObject({ title: 'Milk', priority: 3 });
    // It never goes away in between.
    expect(seen.filter((change) => !change?.startsWith('update'))).toEqual(['insert Milk']);
    sample.network.fault = () => undefined;
    await sync.caughtUp();
    expect(await sample.titles()).toEqual(['Milk']);
    await tasks.delete(id).isPersisted.promise;
    expect(tasks.size).toBe(0);
    await sync.caughtUp();
    expect(await sample.titles()).toEqual([]);
  });

  it('sends only the columns that an app gave', async () => {
    const sync = await synced(faulty());
    const tasks = await tasksOf(sync);
    const { isPersisted } = tasks.insert({ title: 'Milk' });
    await isPersisted.promise;
    await sync.caughtUp();
    const [push] = sample.network.to('push');
    expect(push?.body).toHaveProperty(['changes', 0, 'data'], { title: 'Milk' });
  });

  it('shows the server’s version after a conflict, and the row as it was after a refusal', async () => {
    const { database } = sample.server;
    const id = await insertTask(sample.server, sample.user, 'Milk');
    const sync = await synced(faulty());
    const tasks = await tasksOf(sync);
    sample.network.fault = OFFLINE;
    await tasks.update(id, (draft) => {
      draft.title = 'Mine';
    }).isPersisted.promise;
    await retitle(database, id, 'Theirs');
    const refused = await insertTask(sample.server, sample.user, 'Bread');
    sample.network.fault = () => undefined;
    await sync.caughtUp();
    expect(sync.rejected.get()).toMatchObject([{ status: 'conflict', patch: { title: 'Mine' } }]);
    expect(titlesOf(tasks)).toEqual(['Bread', 'Theirs']);
    await tasks.update(refused, (draft) => {
      draft.title = 'Too dear';
      draft.estimate = '99999999999.99';
    }).isPersisted.promise;
    expect(tasks.get(refused)).toMatchObject({ title: 'Too dear' });
    await sync.caughtUp();
    await eventually(() => sync.rejected.get().length === 2);
    expect(tasks.get(refused)).toMatchObject({ title: 'Bread', estimate: null });
  });

  it('rolls back what can’t be sent, with the column’s name', async () => {
    const tasks = await tasksOf(await synced());
    const { isPersisted } = tasks.insert({ title: 'Milk', estimate: 'dear' });
    await expect(isPersisted.promise).rejects.toThrow(/tasks\.estimate/);
    expect(tasks.size).toBe(0);
  });

  it('makes many rows one step: one commit, one push', async () => {
    const sync = await synced();
    const tasks = await tasksOf(sync);
    let commits = 0;
    tasks.subscribeChanges(() => (commits += 1));
    await insertTasks(sample.server, sample.user, 'Theirs', 200);
    await eventually(() => tasks.size === 200);
    expect(commits).toBe(1);
    const { isPersisted } = tasks.insert(
      Array.from({ length: 150 }, (_, index) => ({ title: `Mine ${index}` })),
    );
    await isPersisted.promise;
    await sync.caughtUp();
    expect(await sample.titles()).toHaveLength(350);
    const at = await sample.server.database.query(
      `SELECT FROM tasks WHERE user_id = $1 AND title LIKE 'Mine%' GROUP BY xmin`,
      [sample.user],
    );
    expect(at).toHaveLength(1);
  });

  it('has its rows after a reload before there is a network', async () => {
    const store = memoryStore();
    const sync = await synced({ store, ...faulty() });
    await sync.table('tasks').create({ title: 'Milk' });
    await sync.close();
    sample.network.fault = OFFLINE;
    const { fetch } = sample.network;
    const again = await device(sample.server.url, sample.user, { store, fetch });
    expect(titlesOf(await tasksOf(again as unknown as Sync<Tables>))).toEqual(['Milk']);
  });

  it('is empty after a sign-out, and so is every other list', async () => {
    await insertTask(sample.server, sample.user, 'Secret');
    const sync = await synced();
    const tasks = await tasksOf(sync);
    const list = sync.table('tasks').observe();
    expect([tasks.size, list.get().length]).toEqual([1, 1]);
    await sync.signOut({ pending: 'discard' });
    expect([tasks.size, list.get().length]).toEqual([0, 0]);
  });

  it('has an error when its table can’t be read', async () => {
    const sync = await synced();
    const broken: Table<Tables['tasks']['row'], object, object> = {
      ...sync.table('tasks'),
      load: () => Promise.reject(new Error('no disk')),
    };
    const tasks = createCollection(syncCollectionOptions(broken));
    await expect(tasks.preload()).rejects.toThrow('no disk');
    expect(tasks.status).toBe('error');
  });

  it('has the table’s types', () => {
    expectTypeOf(typed).toBeFunction();
  });
});

/** Never called: it is there for the compiler. */
function typed(sync: Sync<Tables>): readonly unknown[] {
  const tasks = createCollection(syncCollectionOptions(sync.table('tasks')));
  expectTypeOf(tasks.get('id')).toExtend<Task | undefined>();
  return [
    // @ts-expect-error there is no such column
    tasks.insert({ title: 'x', titel: 'x' }),
    // @ts-expect-error the owner is the server's
    tasks.insert({ title: 'x', user_id: 'me' }),
    tasks.update('id', (draft) => {
      // @ts-expect-error the time is the server's
      draft.updated_at = 'now';
    }),
    tasks.update('id', (draft) => {
      // @ts-expect-error no number is a title
      draft.title = 5;
    }),
  ];
}
