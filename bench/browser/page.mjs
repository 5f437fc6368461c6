/** What a page of the browser's benchmarks can do, as `window.bench`; figures are milliseconds. */
import { createSync } from '../../client/dist/index.js';
import { indexedDbStore } from '../../client/dist/indexeddb/index.js';

const PER_TRANSACTION = 1_000;
const user = 'user0';

function open(name) {
  return createSync({
    url: '/sync',
    user,
    headers: () => ({ 'x-user-id': user }),
    store: indexedDbStore(name),
  });
}

async function timed(work) {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function request(asked) {
  return new Promise((resolve, reject) => {
    asked.addEventListener('success', () => resolve(asked.result));
    asked.addEventListener('error', () => reject(asked.error));
  });
}

function complete(transaction) {
  return new Promise((resolve, reject) => {
    transaction.addEventListener('complete', () => resolve());
    transaction.addEventListener('abort', () => reject(transaction.error));
  });
}

function openBare(name) {
  const asked = indexedDB.open(name, 1);
  asked.addEventListener('upgradeneeded', () => {
    asked.result.createObjectStore('rows');
    asked.result.createObjectStore('entries');
  });
  return request(asked);
}

/** First sync, start and writes of the client. */
export async function client(name, writes) {
  let sync = await open(name);
  const firstSync = await timed(() => sync.caughtUp({ timeout: 600_000 }));
  await sync.close();
  const start = await timed(async () => {
    sync = await open(name);
    await sync.table('tasks').load();
  });
  const tasks = sync.table('tasks');
  const rows = tasks.query();
  const times = [];
  for (let n = 0; n < writes; n += 1)
    times.push(await timed(() => tasks.update(rows[0].id, { title: `${name} ${n}` })));
  await sync.caughtUp({ timeout: 60_000 });
  await sync.close();
  return { firstSync, start, writes: times, rows: rows.length };
}

/** The same rows by bare IndexedDB. */
export async function bare(from, name, writes) {
  const source = await openBare(`${from}:${user}`).catch(() => undefined);
  const stored = await request(source.transaction('rows').objectStore('rows').getAll());
  source.close();
  const database = await openBare(name);
  const firstSync = await timed(async () => {
    for (let n = 0; n < stored.length; n += PER_TRANSACTION) {
      const transaction = database.transaction('rows', 'readwrite');
      const rows = transaction.objectStore('rows');
      for (const each of stored.slice(n, n + PER_TRANSACTION)) rows.put(each, ['tasks', each.id]);
      await complete(transaction);
    }
  });
  database.close();
  let again;
  const start = await timed(async () => {
    again = await openBare(name);
    await request(again.transaction('rows').objectStore('rows').getAll());
  });
  const times = [];
  for (let n = 0; n < writes; n += 1)
    times.push(
      await timed(async () => {
        const transaction = again.transaction(['rows', 'entries'], 'readwrite');
        transaction.objectStore('rows').put(stored[0], ['tasks', stored[0].id]);
        transaction.objectStore('entries').put(stored[0], stored[0].id);
        await complete(transaction);
      }),
    );
  again.close();
  return { firstSync, start, writes: times };
}

/** Begins to tell of rows: `seen(title)` is called for each row of `tasks` that is new or changed. */
export async function watch(name, seen) {
  const sync = await open(name);
  const tasks = sync.table('tasks');
  await tasks.load();
  await sync.caughtUp({ timeout: 60_000 });
  const known = new Map();
  const look = () => {
    for (const { id, title } of tasks.query()) {
      if (known.get(id) === title) continue;
      known.set(id, title);
      seen(title);
    }
  };
  look();
  tasks.subscribe(look);
  while (sync.status.get().phase !== 'live')
    await new Promise((resolve) => {
      const stop = sync.status.subscribe(() => (stop(), resolve()));
    });
}

/** Counts the notifications of some subscribers. */
export async function subscribers(name, count) {
  const sync = await open(name);
  const tasks = sync.table('tasks');
  await tasks.load();
  await sync.caughtUp({ timeout: 60_000 });
  let notified = 0;
  for (let n = 0; n < count; n += 1) tasks.subscribe(() => (notified += 1));
  return {
    /** Resolves after the next notification. */
    next: () =>
      new Promise((resolve) => {
        const stop = tasks.subscribe(() => (stop(), resolve()));
      }),
    /** Of each subscriber, since the last call. */
    read: () => {
      const each = notified / count;
      notified = 0;
      return each;
    },
  };
}
