import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { OwnershipResolver, SubscriptionResolver, bucketOf } from '../lib/index.js';
import { SharingResolver } from '../sample-app/tasks/sharing.resolver.js';
import { startApp, type RunningApp } from './support/app.js';
import { withClient } from './support/client.js';
import {
  consumed,
  consumerWaits,
  logState,
  subscriptionsApplied,
  withPausedConsumer,
} from './support/consumer.js';
import { createDatabase, type TestDatabase } from './support/database.js';
import { Device } from './support/device.js';
import { insertComment, insertTask, insertTasks, retitle, share } from './support/sample-rows.js';

const MAX_ROWS = 20;

/** Everyone reads their own bucket, and the buckets of those whom they follow. */
class FollowedUsers extends SubscriptionResolver {
  readonly followed = new Map<string, readonly string[]>();

  override resolveSubscriptions(userId: string): Promise<readonly string[]> {
    const users = [userId, ...(this.followed.get(userId) ?? [])];
    return Promise.resolve([...users.map((user) => bucketOf('user:', user)), 'global']);
  }
}

let database: TestDatabase;
let app: RunningApp;
const subscriptions = new FollowedUsers();

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({
    database,
    synchro: {
      providers: [
        { provide: OwnershipResolver, useClass: SharingResolver },
        { provide: SubscriptionResolver, useValue: subscriptions },
      ],
      replication: {
        slotName: database.slotName,
        publicationName: database.publicationName,
        maxSubscriptionRows: MAX_ROWS,
      },
    },
  });
});

afterEach(() => subscriptions.followed.clear());

afterAll(async () => {
  await app.close();
  await database.drop();
});

async function started(user: string): Promise<Device> {
  const device = new Device(app.url, user);
  await device.start();
  return device;
}

/** The pull that notices the change leaves it to the consumer; the next one brings what it means. */
async function pullChangedSubscription(device: Device): Promise<void> {
  await device.pull();
  await subscriptionsApplied(database);
  await device.pull();
}

it('rows that come into view arrive, and rows that leave are deleted, by ordinary pulls', async () => {
  const alice = await started('alice-1');
  const task = await insertTask(database, 'bob-1', 'of Bob');
  const comment = await insertComment(database, task, 'under it');
  await consumed(database);
  await alice.pull();
  expect(alice.rows('tasks').size).toBe(0);

  subscriptions.followed.set('alice-1', ['bob-1']);
  await pullChangedSubscription(alice);
  expect(alice.row('tasks', task)).toMatchObject({ title: 'of Bob' });
  expect(alice.row('comments', comment)).toMatchObject({ body: 'under it' });

  subscriptions.followed.delete('alice-1');
  await pullChangedSubscription(alice);
  expect(alice.rows('tasks').size).toBe(0);
  expect(alice.rows('comments').size).toBe(0);

  subscriptions.followed.set('alice-1', ['bob-1']);
  await pullChangedSubscription(alice);
  expect(
    alice.row('tasks', task),
    'the device holds it, soft-deleted, with the same updated_at',
  ).toBeDefined();
  expect(alice.snapshotReasons).toEqual([]);
});

it('a row that a lost bucket shared with another one stays', async () => {
  subscriptions.followed.set('alice-2', ['bob-2']);
  const shared = await insertTask(database, 'bob-2', 'shared with Alice');
  const other = await insertTask(database, 'bob-2', 'not shared');
  await share(database, shared, 'alice-2');
  await consumed(database);
  const alice = await started('alice-2');
  expect([...alice.rows('tasks').keys()].toSorted()).toEqual([shared, other].toSorted());

  subscriptions.followed.delete('alice-2');
  await pullChangedSubscription(alice);
  expect([...alice.rows('tasks').keys()]).toEqual([shared]);
});

it("a lost bucket is out of sight at once, before the consumer has written the device's entries", async () => {
  subscriptions.followed.set('alice-3', ['bob-3']);
  const task = await insertTask(database, 'bob-3', 'old');
  await consumed(database);
  const alice = await started('alice-3');
  await retitle(database, task, 'for followers only');
  await consumed(database);

  subscriptions.followed.delete('alice-3');
  await withPausedConsumer(database, async () => {
    const page = await alice.pullPage();
    expect([...page.changes, ...page.deletes]).toEqual([]);
  });
});

it('a pull waits neither for the consumer nor for the entries, and a pull in between loses no row', async () => {
  const alice = await started('alice-4');
  const before = await insertTask(database, 'bob-4', 'before');
  await consumed(database);

  subscriptions.followed.set('alice-4', ['bob-4']);
  const during = await withPausedConsumer(database, async () => {
    await alice.pull();
    await consumerWaits(database);
    const task = await insertTask(database, 'bob-4', 'during');
    await retitle(database, before, 'changed during');
    await alice.pull();
    expect(alice.rows('tasks').size).toBe(0);
    return task;
  });
  await subscriptionsApplied(database);
  const after = await insertTask(database, 'bob-4', 'after');
  await consumed(database);
  await alice.pull();
  expect(alice.row('tasks', before)).toMatchObject({ title: 'changed during' });
  expect(alice.row('tasks', during)).toMatchObject({ title: 'during' });
  expect(alice.row('tasks', after)).toMatchObject({ title: 'after' });
});

it('a bucket that is lost and found again before the consumer looks brings what was passed over meanwhile', async () => {
  subscriptions.followed.set('alice-5', ['bob-5']);
  const task = await insertTask(database, 'bob-5', 'first');
  await consumed(database);
  const alice = await started('alice-5');
  await retitle(database, task, 'second');
  await consumed(database);

  await withPausedConsumer(database, async () => {
    subscriptions.followed.delete('alice-5');
    await alice.pull(); // passes over the entry of a bucket that Alice doesn't read now
    subscriptions.followed.set('alice-5', ['bob-5', 'carol-5']);
    await alice.pull();
  });
  await subscriptionsApplied(database);
  await pullChangedSubscription(alice);
  expect(alice.row('tasks', task)).toMatchObject({ title: 'second' });
});

it('a bucket that is found again when another one is lost brings what was passed over meanwhile, too', async () => {
  subscriptions.followed.set('alice-7', ['bob-7', 'carol-7']);
  const task = await insertTask(database, 'bob-7', 'first');
  await consumed(database);
  const alice = await started('alice-7');
  await retitle(database, task, 'second');
  await consumed(database);

  await withPausedConsumer(database, async () => {
    for (const followed of ['carol-7', 'bob-7']) {
      subscriptions.followed.set('alice-7', [followed]);
      await alice.pull();
    }
  });
  await subscriptionsApplied(database);
  await pullChangedSubscription(alice);
  expect(alice.row('tasks', task)).toMatchObject({ title: 'second' });
});

it('a bucket that is lost for one page of a snapshot and found again keeps no row back', async () => {
  subscriptions.followed.set('alice-6', ['bob-6']);
  const ids = await insertTasks(database, 'bob-6', 'task', 4);
  await consumed(database);
  const alice = new Device(app.url, 'alice-6', randomUUID(), { pageSize: 2 });
  await alice.schema();
  await alice.register();
  const first = await alice.snapshotPage();
  expect(first.records).toHaveLength(2);
  for (const record of first.records) alice.store.replace(record);

  subscriptions.followed.delete('alice-6');
  const second = await alice.snapshotPage({ cursor: first.cursor });
  expect(second).toMatchObject({ records: [], has_more: false });

  subscriptions.followed.set('alice-6', ['bob-6']);
  alice.checkpoint = second.checkpoint;
  await subscriptionsApplied(database);
  await pullChangedSubscription(alice);
  expect([...alice.rows('tasks').keys()].toSorted()).toEqual([...ids].toSorted());
});

it('an appender waits for its turn, so that no pull passes by an entry that is not visible yet', async () => {
  const alice = await started('alice-7');
  const task = await insertTask(database, 'bob-7', 'in view later');
  await consumed(database);
  subscriptions.followed.set('alice-7', ['bob-7']);
  const own = await insertTask(database, 'alice-7', 'appended by another');
  await consumed(database);
  await alice.pull();
  await subscriptionsApplied(database);
  await alice.pull();
  const { last } = await logState(database);

  // Another appender, in the middle of its transaction: it has taken the next seq.
  subscriptions.followed.set('alice-7', ['bob-7', 'carol-7']);
  await withClient(database.url, async (other) => {
    await other.query('BEGIN');
    await other.query('SELECT FROM sync_wal_position FOR UPDATE');
    await other.query(
      `INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation, served_at)
       VALUES ($1, 'user:alice-7', 'tasks', $2, 2, clock_timestamp())`,
      [last + 1, own],
    );
    await other.query('UPDATE sync_wal_position SET last_seq = $1', [last + 1]);
    await other.query(`UPDATE tasks SET title = 'written by the other' WHERE id = $1`, [own]);
    await alice.pull();
    await retitle(database, task, 'second');
    await consumerWaits(database);
    await alice.pull();
    expect(alice.checkpoint, 'what is not visible yet is still ahead').toBe(last);
    await other.query('COMMIT');
  });
  await consumed(database);
  await alice.pull();
  expect(alice.row('tasks', own)).toMatchObject({ title: 'written by the other' });
  expect(alice.row('tasks', task)).toMatchObject({ title: 'second' });
});

it('above the configured number of rows the device is sent to a snapshot instead', async () => {
  const alice = await started('alice-8');
  await insertTasks(database, 'bob-8', 'few', MAX_ROWS);
  await insertTasks(database, 'carol-8', 'many', MAX_ROWS + 1);
  await consumed(database);

  subscriptions.followed.set('alice-8', ['bob-8']);
  await pullChangedSubscription(alice);
  expect(alice.snapshotReasons).toEqual([]);
  expect(alice.rows('tasks').size).toBe(MAX_ROWS);

  subscriptions.followed.set('alice-8', ['bob-8', 'carol-8']);
  await pullChangedSubscription(alice);
  expect(alice.snapshotReasons).toEqual(['history_unavailable']);
  expect(alice.rows('tasks').size).toBe(2 * MAX_ROWS + 1);
  await alice.pull();
  expect(alice.snapshotReasons).toHaveLength(1);
});

it('a device is told which buckets came and went', async () => {
  const alice = await started('alice-9');
  expect((await alice.pullPage({ known_buckets: null })).bucket_updates).toEqual({
    added: ['user:alice-9', 'global'],
  });
  expect(
    (await alice.pullPage({ known_buckets: ['user:alice-9', 'global'] })).bucket_updates,
  ).toBeUndefined();
  subscriptions.followed.set('alice-9', ['bob-9']);
  const known = ['user:alice-9', 'global', 'user:former'];
  expect((await alice.pullPage({ known_buckets: known })).bucket_updates).toEqual({
    added: ['user:bob-9'],
    removed: ['user:former'],
  });
});
