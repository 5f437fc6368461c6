import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed, logState, withPausedConsumer } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertComment, insertTask, insertTasks, retitle } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import type { PullResponse } from '../support/wire.js';

const PAGE_BYTES = 4_000;

let database: TestDatabase;
let app: RunningApp;
let user: string;
let phone: Device;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database, synchro: { providers: [] } });
});

beforeEach(async () => {
  user = `user-${randomUUID()}`;
  phone = new Device(app.url, user);
  await phone.start();
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

/** All pages from the device's checkpoint on, as they came. */
async function pages(limit: number): Promise<readonly PullResponse[]> {
  const all: PullResponse[] = [];
  let { checkpoint } = phone;
  for (;;) {
    const page = await phone.pullPage({ checkpoint, limit });
    all.push(page);
    if (!page.has_more) return all;
    expect(page.checkpoint, 'has_more means progress').toBeGreaterThan(checkpoint);
    checkpoint = page.checkpoint;
  }
}

/** What was read of the log by any of its indexes, as far as it has been counted. */
async function indexReads(): Promise<{ readonly scans: number; readonly read: number }> {
  const [row] = await database.query(
    `SELECT sum(idx_scan)::int AS scans, sum(idx_tup_read)::int AS read
       FROM pg_stat_user_indexes WHERE relname = 'sync_changelog'`,
  );
  return { scans: Number(row?.['scans']), read: Number(row?.['read']) };
}

function changedIds(from: readonly PullResponse[]): readonly string[] {
  return from.flatMap(({ changes }) => changes.map(({ id }) => id));
}

function deletedIds(from: readonly PullResponse[]): readonly string[] {
  return from.flatMap(({ deletes }) => deletes.map(({ id }) => id));
}

describe('the limit', () => {
  it('[scenarios 79, 122] cuts the log into pages that name every id once, and end', async () => {
    const ids = await insertTasks(database, user, 'task', 5);
    await consumed(database);
    const all = await pages(2);
    expect(all.map(({ changes }) => changes.length)).toEqual([2, 2, 1]);
    expect(changedIds(all)).toEqual(ids);
  });

  it('counts entries of the own buckets only, however others are interleaved (scenario 123)', async () => {
    const other = new Device(app.url, `${user}-b`);
    await other.start();
    const mine: string[] = [];
    const theirs: string[] = [];
    for (const owner of [user, other.userId, other.userId, user, other.userId]) {
      (owner === user ? mine : theirs).push(await insertTask(database, owner, 'task'));
    }
    await consumed(database);
    const [first, second, ...more] = await pages(1);
    expect(more).toEqual([]);
    expect(first).toMatchObject({ has_more: true, changes: [{ id: mine[0] }] });
    expect(second).toMatchObject({ has_more: false, changes: [{ id: mine[1] }] });
    expect(changedIds([await other.pullPage()])).toEqual(theirs);
  });

  it('of exactly the number of entries leaves no page behind', async () => {
    await insertTasks(database, user, 'task', 3);
    await consumed(database);
    const [only, ...more] = await pages(3);
    expect(more).toEqual([]);
    expect(only).toMatchObject({ has_more: false });
  });

  it('is what a page costs, however long the log is and however few buckets it has', async () => {
    const entries = 100_000;
    await database.query(
      `WITH position AS (UPDATE sync_wal_position SET last_seq = last_seq + ${entries} RETURNING last_seq - ${entries} AS seq)
       INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
       SELECT seq + n, 'user:' || n % 2, 'tasks', gen_random_uuid(), 1 FROM position, generate_series(1, ${entries}) n`,
    );
    await database.query('ANALYZE sync_changelog');
    const before = await indexReads();
    for (let n = 0; n < 5; n++) await phone.pullPage({ checkpoint: 1 });
    const after = await eventually(async () => {
      const now = await indexReads();
      return now.scans > before.scans && now;
    });
    expect(after.read - before.read).toBeLessThan(1_000);
  });

  it('is 100 when it is not given or not positive, and 1000 at most', async () => {
    await insertTasks(database, user, 't', 1_001);
    await consumed(database);
    const sizes: number[] = [];
    for (const limit of [null, 0, -1, 1_001, 5_000])
      sizes.push((await phone.pullPage({ limit })).changes.length);
    expect(sizes).toEqual([100, 100, 100, 1_000, 1_000]);
  });
});

describe('a record that the log mentions several times', () => {
  it('[scenarios 81, 82] comes once, as it is now', async () => {
    const id = await insertTask(database, user, 'first');
    const other = await insertTask(database, user, 'other');
    for (const title of ['second', 'third']) await retitle(database, id, title);
    await consumed(database);
    const { changes } = await phone.pullPage();
    expect(changes.map((record) => record.id)).toEqual([id, other]);
    expect(changes[0]?.data).toMatchObject({ title: 'third' });
  });

  it('[scenario 80] is a delete when it has been created, changed and deleted', async () => {
    const id = await insertTask(database, user, 'first');
    await retitle(database, id, 'second');
    await database.query('DELETE FROM tasks WHERE id = $1', [id]);
    await consumed(database);
    const page = await phone.pullPage();
    expect(page.changes).toEqual([]);
    expect(page.deletes).toEqual([{ id, table_name: 'tasks' }]);
  });

  it('is a change when it has been deleted and undeleted', async () => {
    const id = await insertTask(database, user, 'first');
    await database.query('UPDATE tasks SET deleted_at = now() WHERE id = $1', [id]);
    await database.query('UPDATE tasks SET deleted_at = NULL WHERE id = $1', [id]);
    await consumed(database);
    const page = await phone.pullPage();
    expect(changedIds([page])).toEqual([id]);
    expect(page.deletes).toEqual([]);
  });

  it('split over pages is the same on each', async () => {
    const id = await insertTask(database, user, 'first');
    await insertTask(database, user, 'between');
    await database.query('DELETE FROM tasks WHERE id = $1', [id]);
    await consumed(database);
    const all = await pages(1);
    expect(all).toHaveLength(3);
    expect(changedIds(all)).not.toContain(id);
    expect(deletedIds(all)).toEqual([id, id]);
  });
});

describe('deletes', () => {
  it('are hard and soft ones alike', async () => {
    const [hard = '', soft = '', stays = ''] = await insertTasks(database, user, 'task', 3);
    await consumed(database);
    await phone.pull();
    await database.query('UPDATE tasks SET deleted_at = now() WHERE id = $1', [soft]);
    await database.query('DELETE FROM tasks WHERE id = $1', [hard]);
    await consumed(database);
    const page = await phone.pullPage();
    expect(page.changes).toEqual([]);
    expect(deletedIds([page])).toEqual([soft, hard]);
    await phone.pull();
    expect([...phone.rows('tasks').keys()]).toEqual([stays]);
  });

  it('a row that moves from one bucket of the user into another is a change [W-PULL-1]', async () => {
    const tag = randomUUID();
    await database.query(`INSERT INTO tags (id, user_id, name) VALUES ($1, NULL, 'for all')`, [tag]);
    await consumed(database);
    await phone.pull();
    expect(phone.row('tags', tag)).toMatchObject({ user_id: null });
    await database.query('UPDATE tags SET user_id = $2, updated_at = clock_timestamp() WHERE id = $1', [
      tag,
      user,
    ]);
    await consumed(database);
    const page = await phone.pullPage();
    expect(changedIds([page])).toEqual([tag]);
    expect(page.deletes).toEqual([]);
    await phone.pull();
    expect(phone.row('tags', tag)).toMatchObject({ user_id: user });
  });

  it('of a row that is gone while its entry is still to come hold nothing else up (scenario 124)', async () => {
    const [gone = '', other = ''] = await insertTasks(database, user, 'task', 2);
    await consumed(database);
    await withPausedConsumer(database, async () => {
      await database.query('DELETE FROM tasks WHERE id = $1', [gone]);
      const page = await phone.pullPage();
      expect(changedIds([page])).toEqual([other]);
      expect(page.deletes).toEqual([]);
    });
  });
});

describe('order', () => {
  it('is that of the log, but parents come before their children [W-PULL-11]', async () => {
    const [first = '', second = ''] = await insertTasks(database, user, 'task', 2);
    const comment = await insertComment(database, second, 'under the second');
    await consumed(database);
    await phone.pull();
    await database.query(
      `UPDATE comments SET body = 'changed', updated_at = clock_timestamp() WHERE id = $1`,
      [comment],
    );
    await retitle(database, second, 'changed');
    await retitle(database, first, 'changed');
    await consumed(database);
    expect(changedIds([await phone.pullPage()])).toEqual([second, first, comment]);
  });
});

describe('the byte budget', () => {
  let frugal: RunningApp;

  beforeAll(async () => {
    frugal = await startApp({
      database,
      synchro: { providers: [], replication: false, maxPageBytes: PAGE_BYTES },
    });
  });

  beforeEach(() => {
    const { clientId, checkpoint } = phone;
    phone = new Device(frugal.url, user, clientId);
    phone.checkpoint = checkpoint;
  });

  afterAll(() => frugal.close());

  it('ends a page early, and every page makes progress [W-PULL-12]', async () => {
    const ids = await insertTasks(database, user, 'x'.repeat(1_500), 9);
    await consumed(database);
    const all = await pages(100);
    expect(all.map(({ changes }) => changes.length)).toEqual([3, 3, 3]);
    expect(changedIds(all)).toEqual(ids);
  });

  it('sends a row that is larger by itself, however well its text compresses [W-PULL-12]', async () => {
    const values = [
      ['title', 'x'.repeat(100 * PAGE_BYTES)],
      ['metadata', JSON.stringify({ text: 'x'.repeat(PAGE_BYTES) })],
      ['labels', ['x'.repeat(PAGE_BYTES)]],
      ['cover', Buffer.alloc(PAGE_BYTES / 2)],
      ['title', 'the last one'],
    ] as const;
    const ids = values.map(() => randomUUID());
    for (const [index, [column, value]] of values.entries()) {
      const others = column === 'title' ? '' : ', title';
      await database.query(
        `INSERT INTO tasks (id, user_id, ${column}${others}) VALUES ($1, $2, $3${others && ", 'small'"})`,
        [ids[index], user, value],
      );
    }
    await consumed(database);
    const all = await pages(100);
    expect(all.map(({ changes }) => changes.length)).toEqual([1, 1, 1, 1, 1]);
    expect(changedIds(all)).toEqual(ids);
  });

  it('ends for all tables where it ends for one', async () => {
    const [first = '', second = ''] = await insertTasks(database, user, 'x'.repeat(PAGE_BYTES), 2);
    const comment = await insertComment(database, first, 'small');
    await consumed(database);
    const all = await pages(100);
    expect(all.map((page) => changedIds([page]))).toEqual([[first], [second, comment]]);
  });

  it('loses neither deletes nor other tables behind the cut [W-PULL-12]', async () => {
    const big = await insertTasks(database, user, 'x'.repeat(PAGE_BYTES), 3);
    const comment = await insertComment(database, big[2] ?? '', 'small');
    const deleted = await insertTask(database, user, 'deleted');
    await database.query('DELETE FROM tasks WHERE id = $1', [deleted]);
    await consumed(database);
    const all = await pages(100);
    expect(changedIds(all)).toEqual([...big, comment]);
    expect(deletedIds(all)).toEqual([deleted]);
    expect(all.map(({ has_more }) => has_more)).toEqual([true, true, false]);
  });
});

describe('the checkpoint', () => {
  it('[scenario 83] of a caught-up client is the high-water mark, for any writer [W-PULL-5]', async () => {
    await insertTasks(database, 'somebody else', 'task', 3);
    await consumed(database);
    const { last } = await logState(database);
    expect(await phone.pullPage()).toMatchObject({ changes: [], has_more: false, checkpoint: last });
    await insertTask(database, user, 'mine');
    await insertTask(database, 'somebody else', 'later');
    await consumed(database);
    expect(await phone.pullPage()).toMatchObject({
      has_more: false,
      checkpoint: (await logState(database)).last,
    });
  });

  it('of a page with more to come is its last entry', async () => {
    await insertTasks(database, user, 'task', 3);
    await consumed(database);
    const page = await phone.pullPage({ limit: 2 });
    const [entry] = await database.query<{ seq: string }>(
      'SELECT seq FROM sync_changelog WHERE bucket_id = $1 ORDER BY seq OFFSET 1 LIMIT 1',
      [`user:${user}`],
    );
    expect(page).toMatchObject({ has_more: true, checkpoint: Number(entry?.seq) });
  });

  it('below zero means from the beginning', async () => {
    const fresh = new Device(app.url, user);
    await fresh.register();
    expect(await fresh.pullPage({ checkpoint: -5 })).toMatchObject({
      snapshot_reason: 'initial_sync_required',
    });

    const id = await insertTask(database, user, 'task');
    await consumed(database);
    expect(changedIds([await phone.pullPage({ checkpoint: -5 })])).toEqual([id]);
  });

  it('may be left out', async () => {
    const id = await insertTask(database, user, 'task');
    await consumed(database);
    expect(changedIds([await phone.pullPage({ checkpoint: null })])).toEqual([id]);
  });
});

describe('a filter by table', () => {
  it('shows these tables only, and its checkpoint passes over nothing that it left out [W-PULL-6] [interleaving 23]', async () => {
    const task = await insertTask(database, user, 'task');
    const comment = await insertComment(database, task, 'comment');
    const later = await insertTask(database, user, 'later');
    await consumed(database);
    const page = await phone.pullPage({ tables: ['comments'] });
    expect(changedIds([page])).toEqual([comment]);
    const [entry] = await database.query<{ seq: string }>(
      'SELECT seq FROM sync_changelog WHERE record_id = $1 AND bucket_id = $2',
      [comment, `user:${user}`],
    );
    expect(page.checkpoint, 'not the high-water mark').toBe(Number(entry?.seq));
    expect(await phone.pullPage({ tables: ['comments'], checkpoint: page.checkpoint })).toMatchObject({
      changes: [],
      checkpoint: page.checkpoint,
    });
    expect(changedIds([await phone.pullPage()])).toEqual([task, later, comment]);
  });

  it('acknowledges nothing [W-PULL-6] [interleaving 23]', async () => {
    const acknowledged = async (): Promise<unknown> => {
      const [row] = await database.query('SELECT last_pull_seq FROM sync_clients WHERE client_id = $1', [
        phone.clientId,
      ]);
      return row?.['last_pull_seq'];
    };
    await phone.pullPage();
    const before = await acknowledged();
    await insertTask(database, user, 'task');
    await consumed(database);
    const { last } = await logState(database);
    await phone.pullPage({ checkpoint: last, tables: ['comments'] });
    expect(await acknowledged()).toBe(before);
    await phone.pullPage({ checkpoint: last });
    expect(await acknowledged()).toBe(String(last));
  });

  it('by no table or an unknown one finds nothing', async () => {
    await insertTask(database, user, 'task');
    await consumed(database);
    for (const tables of [[], ['nowhere']]) {
      expect(await phone.pullPage({ tables })).toMatchObject({ changes: [], checkpoint: phone.checkpoint });
    }
  });
});

it('entries of tables that are no longer synced are passed over', async () => {
  const before = await insertTask(database, user, 'before');
  await consumed(database);
  await withClient(database.url, async (client) => {
    await client.query('BEGIN');
    await client.query('SELECT FROM sync_wal_position FOR UPDATE');
    await client.query(
      `WITH position AS (UPDATE sync_wal_position SET last_seq = last_seq + 2 RETURNING last_seq)
       INSERT INTO sync_changelog (seq, bucket_id, table_name, record_id, operation)
       SELECT last_seq - n, $1, 'formerly', 'record ' || n, 1 + 2 * n FROM position, generate_series(0, 1) AS n`,
      [`user:${user}`],
    );
    await client.query('COMMIT');
  });
  const after = await insertTask(database, user, 'after');
  await consumed(database);
  const all = await pages(1);
  expect(changedIds(all)).toEqual([before, after]);
  expect(deletedIds(all)).toEqual([]);
});
