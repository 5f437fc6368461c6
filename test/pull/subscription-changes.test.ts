import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { OwnershipResolver, SubscriptionResolver, SyncEngine, bucketOf } from '../../lib/index.js';
import { SharingResolver } from '../../sample-app/tasks/sharing.resolver.js';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import {
  consumed,
  consumerWaits,
  logState,
  subscriptionsApplied,
  withPausedConsumer,
} from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertComment, insertTask, insertTasks, retitle, share } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

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
      compaction: {},
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

it('rows that come into view arrive, and rows that leave are deleted, by ordinary pulls [W-PULL-9] [interleaving 3]', async () => {
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

it("a lost bucket is out of sight at once, before the consumer has written the device's entries [interleaving 3]", async () => {
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

it('a pull waits neither for the consumer nor for the entries, and a pull in between loses no row [interleaving 3]', async () => {
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

it('a bucket that is lost and found again before the consumer applies that brings the skipped rows', async () => {
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

it('a bucket that is found again when another one is lost brings what was passed over meanwhile, too [interleaving 3]', async () => {
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

it('an appender waits for its turn, so that no pull passes by an entry that is not visible yet [interleaving 3] [W-WAL-18]', async () => {
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

it('above the configured number of rows the device is sent to a snapshot instead [interleaving 3]', async () => {
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

it('a device learns which buckets came and went [W-PULL-9]', async () => {
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

/** What pulls tell a device to delete, once the consumer has done what they have left to it. */
async function deletesAfterChange(device: Device): Promise<readonly string[]> {
  const pages = [...(await device.pull())];
  await subscriptionsApplied(database);
  pages.push(...(await device.pull()));
  return pages.flatMap((page) => page.deletes.map(({ id }) => id));
}

/** A device that reads Bob's bucket, and holds a task of it. */
async function follower(n: number): Promise<{ alice: Device; user: string; bob: string; task: string }> {
  const [user, bob] = [`alice-${n}`, `bob-${n}`];
  subscriptions.followed.set(user, [bob]);
  const task = await insertTask(database, bob, 'held');
  await consumed(database);
  const alice = await started(user);
  expect(alice.row('tasks', task)).toBeDefined();
  return { alice, user, bob, task };
}

const handOver = (task: string, user: string): Promise<unknown> =>
  database.query('UPDATE tasks SET user_id = $2, updated_at = clock_timestamp() WHERE id = $1', [task, user]);

describe('a row that goes out of a bucket which its reader leaves too is deleted on the device', () => {
  const ways: readonly [string, (task: string) => Promise<unknown>][] = [
    ['hard-deleted', (task) => database.query('DELETE FROM tasks WHERE id = $1', [task])],
    ['soft-deleted', (task) => database.query('UPDATE tasks SET deleted_at = now() WHERE id = $1', [task])],
    ['moved to somebody else', (task) => handOver(task, 'dave')],
  ];
  let n = 20;

  it.each(ways)('%s before the pull that notices', async (_, goes) => {
    const { alice, user, task } = await follower(n++);
    await goes(task);
    await consumed(database);
    subscriptions.followed.delete(user);
    expect(await deletesAfterChange(alice)).toEqual([task]);
    expect(alice.rows('tasks').size).toBe(0);
  });

  it.each(ways)('%s while the change waits', async (_, goes) => {
    const { alice, user, task } = await follower(n++);
    subscriptions.followed.delete(user);
    await withPausedConsumer(database, async () => {
      await alice.pull();
      await goes(task);
    });
    await consumed(database);
    expect(await deletesAfterChange(alice)).toEqual([task]);
    expect(alice.rows('tasks').size).toBe(0);
  });

  it.each(ways)('%s, where the log has it before the change is applied', async (_, goes) => {
    const { alice, user, task } = await follower(n++);
    await withPausedConsumer(database, async () => {
      await goes(task);
      await consumerWaits(database);
      subscriptions.followed.delete(user);
      await alice.pull();
    });
    await consumed(database);
    expect(await deletesAfterChange(alice)).toEqual([task]);
  });
});

it('a row that comes into a bucket after its reader has left has no entry', async () => {
  const { alice, user, bob, task } = await follower(40);
  subscriptions.followed.delete(user);
  const later = await insertTask(database, bob, 'not for Alice');
  const gone = await insertTask(database, bob, 'not for Alice, and gone');
  await database.query('DELETE FROM tasks WHERE id = $1', [gone]);
  await consumed(database);
  await retitle(database, later, 'still not for Alice');
  await consumed(database);
  expect(await deletesAfterChange(alice)).toEqual([task]);
});

/**
 * Runs `leaves` and then `work` while what `appends` has written is in the log and the change that `leaves` notes waits:
 * the consumer comes to that of another device first, whose row is held.
 */
async function whileChangeWaits(
  n: number,
  { appends, leaves }: Record<'appends' | 'leaves', () => Promise<unknown>>,
  work: () => Promise<unknown>,
): Promise<void> {
  subscriptions.followed.set(`other-${n}`, ['nobody']);
  const other = await started(`other-${n}`);
  // Clients are taken in the order of their ids.
  const id = `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  await database.query('UPDATE sync_clients SET id = $1 WHERE client_id = $2', [id, other.clientId]);
  await withClient(database.url, async (holder) => {
    await withPausedConsumer(database, async () => {
      await appends();
      await consumerWaits(database);
      subscriptions.followed.delete(other.userId);
      await other.pull();
      await holder.query('BEGIN');
      await holder.query('SELECT FROM sync_clients WHERE id = $1 FOR UPDATE', [id]);
      await leaves();
    });
    await eventually(async () => {
      const waiting = await database.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND query LIKE '%.sync_clients%'`,
      );
      return waiting.length === 1;
    });
    await work();
  });
}

it('each bucket has a past of its own: one that is left later has no entries of the first one', async () => {
  const { alice, user, bob, task } = await follower(41);
  subscriptions.followed.set(user, [bob, 'carol-41']);
  await pullChangedSubscription(alice);
  const appends = () => insertTask(database, bob, 'not for Alice');
  const leaves = async () => {
    subscriptions.followed.set(user, ['carol-41']);
    await alice.pull();
  };
  await whileChangeWaits(41, { appends, leaves }, async () => {
    await alice.pull();
    subscriptions.followed.delete(user);
    await alice.pull();
  });
  expect(await deletesAfterChange(alice)).toEqual([task]);
});

it('a bucket that waits to go is not read when its reader comes back', async () => {
  const { alice, user, bob, task } = await follower(42);
  const later = randomUUID();
  const appends = () => insertTask(database, bob, 'later', later);
  const leaves = async () => {
    subscriptions.followed.delete(user);
    await alice.pull();
  };
  await whileChangeWaits(42, { appends, leaves }, async () => {
    subscriptions.followed.set(user, [bob]);
    await alice.pull();
    expect(alice.row('tasks', later)).toBeUndefined();
    subscriptions.followed.delete(user);
  });
  expect(await deletesAfterChange(alice)).toEqual([task]);
});

/** Follows Bob, of whom only what is there by then is Alice's, with a page of her own still to be read. */
async function lateFollower(n: number): Promise<{ alice: Device; user: string; held: string }> {
  const [user, bob] = [`alice-${n}`, `bob-${n}`];
  const alice = new Device(app.url, user, randomUUID(), { pageSize: 1 });
  await alice.start();
  await insertTask(database, user, 'one');
  await insertTask(database, user, 'two');
  const [held, gone] = [
    await insertTask(database, bob, 'held'),
    await insertTask(database, bob, 'came and goes'),
  ];
  await consumed(database);
  await database.query('DELETE FROM tasks WHERE id = $1', [gone]);
  await consumed(database);
  subscriptions.followed.set(user, [bob]);
  await alice.pullPage();
  await subscriptionsApplied(database);
  return { alice, user, held };
}

it('a bucket that comes brings nothing of what came and went before, which the log does not have yet', async () => {
  const [user, bob] = ['alice-149', 'bob-149'];
  const alice = await started(user);
  await withPausedConsumer(database, async () => {
    await insertTask(database, bob, 'first');
    await consumerWaits(database);
    // In the batch after.
    const gone = await insertTask(database, bob, 'came and goes');
    await database.query('DELETE FROM tasks WHERE id = $1', [gone]);
    subscriptions.followed.set(user, [bob]);
    await alice.pull();
  });
  await consumed(database);
  await subscriptionsApplied(database);
  const pages = await alice.pull();
  expect(pages.flatMap(({ deletes }) => deletes)).toEqual([]);
  expect([...alice.rows('tasks').values()].map(({ title }) => title)).toEqual(['first']);
});

describe('of rows that came and went before their bucket was given to a device that has older pages to read', () => {
  it('nothing is told', async () => {
    const { alice, held } = await lateFollower(147);
    expect(await deletesAfterChange(alice)).toEqual([]);
    expect(alice.row('tasks', held)).toBeDefined();
    expect(alice.rows('tasks').size).toBe(3);
  });

  it('there is no entry either when it is left again', async () => {
    const { alice, user } = await lateFollower(148);
    subscriptions.followed.delete(user);
    await alice.pullPage();
    await subscriptionsApplied(database);
    expect(await deletesAfterChange(alice)).toEqual([]);
    expect(alice.rows('tasks').size).toBe(2);
  });
});

it('rows that were gone before a bucket came have no entry when it is left with older pages to read', async () => {
  const { alice, user, held } = await lateFollower(152);
  // Here the bucket is in sight: it may have given something.
  const page = await alice.pullPage();
  expect(page.has_more).toBe(true);
  alice.checkpoint = page.checkpoint;
  subscriptions.followed.delete(user);
  await alice.pullPage();
  await subscriptionsApplied(database);
  expect((await deletesAfterChange(alice)).filter((id) => id !== held)).toEqual([]);
});

it('a bucket that came and is left before its rows were read leaves no trace, whatever has come to it since', async () => {
  const [user, bob] = ['alice-150', 'bob-150'];
  const alice = await started(user);
  const later = randomUUID();
  await withPausedConsumer(database, async () => {
    await insertTask(database, bob, 'for Alice');
    await consumerWaits(database);
    subscriptions.followed.set(user, [bob]);
    await alice.pull();
    // Alice has left when this comes, but nobody has asked about her.
    await insertTask(database, bob, 'not for Alice', later);
  });
  await consumed(database);
  await subscriptionsApplied(database);
  subscriptions.followed.delete(user);
  expect(await deletesAfterChange(alice)).toEqual([]);
  expect(alice.row('tasks', later)).toBeUndefined();
});

it('a bucket that is left and found again is given as a whole', async () => {
  const { alice, user, bob, task } = await follower(43);
  await database.query('DELETE FROM tasks WHERE id = $1', [task]);
  const second = await insertTask(database, bob, 'second');
  await consumed(database);
  await withPausedConsumer(database, async () => {
    subscriptions.followed.delete(user);
    await alice.pull();
    subscriptions.followed.set(user, [bob]);
    await alice.pull();
  });
  await subscriptionsApplied(database);
  await pullChangedSubscription(alice);
  expect([...alice.rows('tasks').keys()]).toEqual([second]);
});

it('rows that pulls skip while the change waits count from the first pull on', async () => {
  const { alice, user, task } = await follower(44);
  await database.query('DELETE FROM tasks WHERE id = $1', [task]);
  await consumed(database);
  subscriptions.followed.delete(user);
  await withPausedConsumer(database, async () => {
    const before = alice.checkpoint;
    await alice.pull();
    expect(alice.checkpoint).toBeGreaterThan(before);
    await alice.pull();
  });
  expect(await deletesAfterChange(alice)).toEqual([task]);
});

it('when the answers of the pulls that notice are lost, the next one says it all', async () => {
  const { alice, user, bob, task } = await follower(45);
  const given = await insertTask(database, bob, 'in an answer that is lost');
  await consumed(database);
  await alice.pullPage();
  await database.query('DELETE FROM tasks WHERE id = $1', [task]);
  await consumed(database);
  subscriptions.followed.delete(user);
  await alice.pullPage();
  await subscriptionsApplied(database);
  await alice.pullPage();
  expect((await deletesAfterChange(alice)).toSorted()).toEqual([task, given].toSorted());
});

it('a row that moves from one bucket to another, both of which are left, is deleted', async () => {
  const { alice, user, bob, task } = await follower(46);
  subscriptions.followed.set(user, [bob, 'carol-46']);
  await pullChangedSubscription(alice);
  await handOver(task, 'carol-46');
  await consumed(database);
  subscriptions.followed.delete(user);
  expect(await deletesAfterChange(alice)).toEqual([task]);
});

it('a row that a page gives by a bucket ahead of its entry there is deleted with that bucket', async () => {
  const { alice, user, bob, task } = await follower(47);
  subscriptions.followed.set(user, [bob, 'carol-47']);
  await pullChangedSubscription(alice);
  await handOver(task, 'carol-47');
  await consumed(database);
  // The entry that takes it out of Bob's bucket, and not yet the one that brings it into Carol's.
  const page = await alice.pullPage({ limit: 1 });
  expect(page).toMatchObject({ changes: [{ id: task }], deletes: [], has_more: true });
  for (const record of page.changes) alice.store.applyChange(record);
  alice.checkpoint = page.checkpoint;
  subscriptions.followed.set(user, [bob]);
  expect(await deletesAfterChange(alice)).toEqual([task]);
});

it('a row that stays in view by another bucket is deleted when that one is lost, too, before it was read', async () => {
  const { alice, user, bob, task } = await follower(48);
  subscriptions.followed.set(user, [bob, 'carol-48']);
  await pullChangedSubscription(alice);
  await withPausedConsumer(database, async () => {
    await handOver(task, 'carol-48');
    await consumerWaits(database);
    subscriptions.followed.set(user, ['carol-48']);
    await alice.pull();
  });
  await consumed(database);
  await subscriptionsApplied(database);
  subscriptions.followed.delete(user);
  await deletesAfterChange(alice);
  expect(alice.rows('tasks').size).toBe(0);
});

it('a delete that is held back, as its row is live again, comes when its reader leaves meanwhile', async () => {
  const { alice, user, task } = await follower(49);
  await database.query('UPDATE tasks SET deleted_at = now() WHERE id = $1', [task]);
  await consumed(database);
  await withPausedConsumer(database, async () => {
    await database.query('UPDATE tasks SET deleted_at = NULL, updated_at = clock_timestamp() WHERE id = $1', [
      task,
    ]);
    await consumerWaits(database);
    await alice.pull();
    expect(alice.row('tasks', task)).toBeDefined();
    subscriptions.followed.delete(user);
    await alice.pull();
  });
  await app.app.get(SyncEngine, { strict: false }).caughtUp();
  await deletesAfterChange(alice);
  expect(alice.rows('tasks').size).toBe(0);
});

it('a row that was edited out of sight comes again when it is in sight again, though no pull came between', async () => {
  const { alice, user, bob, task } = await follower(51);
  alice.update('tasks', task, { title: 'edited offline' });
  subscriptions.followed.delete(user);
  const [refused] = await alice.pushPending();
  expect(refused?.rejected).toMatchObject([{ id: task, status: 'rejected_terminal' }]);
  expect(refused?.rejected[0]).not.toHaveProperty('server_version');
  expect(alice.row('tasks', task)?.['title']).toBe('edited offline');
  subscriptions.followed.set(user, [bob]);
  await subscriptionsApplied(database);
  await pullChangedSubscription(alice);
  expect(alice.row('tasks', task)?.['title']).not.toBe('edited offline');
  expect(alice.row('tasks', task)).toBeDefined();
});

it('a row that came with a bucket which is out of sight again has no entry', async () => {
  const alice = await started('alice-50');
  const task = await insertTask(database, 'bob-50', 'not for Alice');
  await consumed(database);
  await withClient(database.url, async (consumer) => {
    await consumer.query('BEGIN');
    await consumer.query('UPDATE sync_wal_position SET last_seq = last_seq + 1');
    await consumer.query(
      `INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
       SELECT last_seq, 'client:' || c.id, 'tasks', $1, 1 FROM sync_wal_position, sync_clients c WHERE client_id = $2`,
      [task, alice.clientId],
    );
    await consumer.query('COMMIT');
  });
  const [page] = await alice.pull();
  expect(page).toMatchObject({ changes: [], deletes: [] });
});

/** A device that is about to take a snapshot, with three tasks of Bob's. */
async function beginner(n: number, pageSize: number): Promise<{ alice: Device; user: string; bob: string }> {
  const [user, bob] = [`alice-${n}`, `bob-${n}`];
  subscriptions.followed.set(user, [bob]);
  await insertTasks(database, bob, 'task', 3);
  await consumed(database);
  const alice = new Device(app.url, user, randomUUID(), { pageSize });
  await alice.schema();
  await alice.register();
  return { alice, user, bob };
}

describe('a snapshot whose user leaves a bucket on the way', () => {
  type Page = Awaited<ReturnType<Device['snapshotPage']>>;

  async function take(alice: Device, cursor: Page['cursor'] | null = null): Promise<Page> {
    const page = await alice.snapshotPage({ cursor });
    for (const record of page.records) alice.store.replace(record);
    return page;
  }

  async function takeRest(alice: Device, first: Page): Promise<void> {
    let page = first;
    while (page.has_more) page = await take(alice, page.cursor);
    alice.checkpoint = page.checkpoint;
  }

  it('leaves nothing of it, nor what has been deleted since its page', async () => {
    const { alice, user } = await beginner(60, 2);
    const first = await take(alice);
    await database.query('DELETE FROM tasks WHERE id = $1', [first.records[0]?.id]);
    await consumed(database);
    subscriptions.followed.delete(user);
    await takeRest(alice, first);
    await deletesAfterChange(alice);
    expect(alice.rows('tasks').size).toBe(0);
  });

  it('leaves nothing of it that is newer than its checkpoint', async () => {
    const { alice, user, bob } = await beginner(61, 2);
    const first = await take(alice);
    const newer = await insertTask(database, bob, 'newer', 'ffffffff-ffff-4fff-bfff-ffffffffffff');
    await consumed(database);
    const second = await take(alice, first.cursor);
    expect(second.records.map(({ id }) => id)).toContain(newer);
    const later = await insertTask(database, bob, 'not for Alice');
    await consumed(database);
    subscriptions.followed.delete(user);
    await takeRest(alice, second);
    expect(await deletesAfterChange(alice)).not.toContain(later);
    expect(alice.rows('tasks').size).toBe(0);
  });

  it('is followed by another one when there are too many entries', async () => {
    const { alice, user, bob } = await beginner(62, 2);
    await insertTasks(database, user, 'own', 6);
    await insertTasks(database, bob, 'many', MAX_ROWS);
    await consumed(database);
    const first = await take(alice);
    subscriptions.followed.delete(user);
    const second = await take(alice, first.cursor);
    expect(second.has_more).toBe(true);
    await subscriptionsApplied(database);
    await takeRest(alice, second);
    await alice.pull();
    expect(alice.snapshotReasons).toEqual(['history_unavailable']);
    expect(alice.rows('tasks').size).toBe(6);
    await alice.pull();
    expect(alice.snapshotReasons).toHaveLength(1);
  });
});

it('a snapshot that begins elsewhere in the meantime keeps the pending redeliveries', async () => {
  const { alice, user } = await follower(63);
  subscriptions.followed.delete(user);
  // A request of long ago, which the device has given up.
  await alice.snapshotPage();
  await deletesAfterChange(alice);
  expect(alice.rows('tasks').size).toBe(0);
  expect(alice.snapshotReasons).toEqual(['history_unavailable']);
});

describe('what went before the change is applied', () => {
  it('is not compacted away meanwhile', async () => {
    const { alice, user, task } = await follower(70);
    await database.query('UPDATE sync_clients SET is_active = false WHERE client_id <> $1', [alice.clientId]);
    await alice.pull();
    await database.query('DELETE FROM tasks WHERE id = $1', [task]);
    await consumed(database);
    subscriptions.followed.delete(user);
    const compaction = await withPausedConsumer(database, async () => {
      const running = app.app.get(SyncEngine, { strict: false }).runCompaction();
      await eventually(async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE 'SELECT FROM %sync_wal_position FOR UPDATE%'`,
        );
        // The consumer may wait for it, too, by another statement.
        return waiting.length === 1;
      });
      await alice.pull();
      await alice.pull();
      return { running };
    });
    await compaction.running;
    expect(await deletesAfterChange(alice)).toEqual([task]);
    expect(alice.snapshotReasons).toEqual([]);
  });

  it('is had by a snapshot where it is gone all the same', async () => {
    const { alice, user, task } = await follower(71);
    await database.query('DELETE FROM tasks WHERE id = $1', [task]);
    await consumed(database);
    subscriptions.followed.delete(user);
    await withClient(database.url, async (compaction) => {
      await compaction.query('BEGIN');
      await compaction.query('UPDATE sync_wal_position SET floor_seq = last_seq');
      await alice.pull();
      await compaction.query('DELETE FROM sync_changelog');
      await compaction.query('COMMIT');
    });
    await subscriptionsApplied(database);
    await alice.pull();
    expect(alice.snapshotReasons).toEqual(['history_unavailable']);
    expect(alice.rows('tasks').size).toBe(0);
  });
});
