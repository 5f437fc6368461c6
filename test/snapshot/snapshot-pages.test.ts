import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed, logState } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertComment, insertTask, insertTasks, retitle, share } from '../support/sample-rows.js';
import type { SnapshotResponse, WireAnswer } from '../support/wire.js';

type Cursor = NonNullable<SnapshotResponse['cursor']>;

let database: TestDatabase;
let app: RunningApp;
let user: string;
let phone: Device;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
});

beforeEach(async () => {
  user = `user-${randomUUID()}`;
  phone = await registered(user, 2);
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

async function registered(userId: string, pageSize: number, url = app.url): Promise<Device> {
  const device = new Device(url, userId, randomUUID(), { pageSize });
  await device.schema();
  await device.register();
  return device;
}

async function sendCursor(cursor: unknown): Promise<WireAnswer> {
  const schemaIds = await phone.schemaIds();
  return phone.send('snapshot', { client_id: phone.clientId, cursor, limit: 2, ...schemaIds });
}

/** The page that a cursor leads to. */
async function page(cursor: unknown): Promise<SnapshotResponse> {
  const answer = await sendCursor(cursor);
  expect(answer, answer.text).toMatchObject({ status: 200 });
  return answer.json as unknown as SnapshotResponse;
}

/** What a cursor carries, as this server would write it. */
function afterId(...parts: readonly unknown[]): string {
  return Buffer.from(JSON.stringify(parts)).toString('base64url');
}

function ids(pages: readonly SnapshotResponse[]): readonly string[] {
  return pages.flatMap(({ records }) => records.map(({ id }) => id));
}

describe('pages', () => {
  it('bring every row once, parents before children, at one checkpoint (scenario 132)', async () => {
    const tasks = await insertTasks(database, user, 'task', 5);
    const comments = await Promise.all(tasks.map((task) => insertComment(database, task, 'comment')));
    await consumed(database);
    const pages = await phone.snapshot();
    expect(pages.length).toBeGreaterThanOrEqual(5);
    expect(ids(pages).toSorted()).toEqual([...tasks, ...comments].toSorted());
    expect(new Set(ids(pages).slice(0, 5))).toEqual(new Set(tasks));
    expect(new Set(pages.map(({ checkpoint }) => checkpoint)).size).toBe(1);
    for (const page of pages.slice(0, -1)) {
      expect(page).toMatchObject({ has_more: true, cursor: { checkpoint: page.checkpoint, table_idx: 0 } });
      expect(page.records.length).toBeLessThanOrEqual(2);
    }
    expect(pages.at(-1)).not.toHaveProperty('cursor');

    const page = await phone.pullPage();
    expect(page).toMatchObject({ changes: [], deletes: [] });
    expect(page.snapshot_required).toBeUndefined();
  });

  it('of a large table bring each of its rows once, in the order of their keys', async () => {
    const tasks = await insertTasks(database, user, 'task', 2_345);
    await consumed(database);
    const tablet = await registered(user, 1_000);
    const pages = await tablet.snapshot();
    expect(pages.map(({ records }) => records.length)).toEqual([1_000, 1_000, 345]);
    expect(ids(pages)).toEqual(tasks.toSorted());
  });

  it('of nothing are one empty page, whose checkpoint is not 0 [W-SNAP-3]', async () => {
    const pages = await phone.snapshot();
    expect(pages).toHaveLength(1);
    expect(pages[0]).toMatchObject({ records: [], has_more: false });
    expect(pages[0]?.checkpoint).toBeGreaterThan(0);
  });

  it('end early above the byte budget, and each makes progress', async () => {
    const frugal = await startApp({ database, synchro: { replication: false, maxPageBytes: 4_000 } });
    try {
      const tasks = Array.from({ length: 8 }, () => randomUUID()).toSorted();
      for (const [index, id] of tasks.entries()) {
        await insertTask(database, user, 'x'.repeat(index < 2 ? 10_000 : 1_000), id);
      }
      const comment = await insertComment(database, tasks[0] ?? '', 'x'.repeat(10_000));
      await consumed(database);
      const tablet = await registered(user, 100, frugal.url);
      const pages = await tablet.snapshot();
      expect(pages.slice(0, 3).map(({ records }) => records.length)).toEqual([1, 1, 3]);
      expect(ids(pages)).toEqual([...tasks, comment]);
    } finally {
      await frugal.close();
    }
  });
});

describe('membership', () => {
  it('is that of the edges: shared rows come, the rows of others do not [W-SNAP-1] [W-SNAP-6]', async () => {
    const shared = await insertTask(database, 'somebody', 'shared');
    const comment = await insertComment(database, shared, 'under it');
    const foreign = await insertTask(database, 'somebody', 'foreign');
    await insertComment(database, foreign, 'under it');
    const own = await insertTask(database, user, 'own');
    await share(database, shared, user);
    await consumed(database);
    expect(ids(await phone.snapshot()).toSorted()).toEqual([shared, comment, own].toSorted());
  });

  it('leaves soft-deleted rows out, but not what stands under them [W-SNAP-10]', async () => {
    const deleted = await insertTask(database, user, 'deleted');
    const comment = await insertComment(database, deleted, 'stays');
    const alive = await insertTask(database, user, 'alive');
    const insertedDeleted = randomUUID();
    await database.query(
      `INSERT INTO tasks (id, user_id, title, deleted_at) VALUES ($1, $2, 'never alive', now())`,
      [insertedDeleted, user],
    );
    await database.query('UPDATE tasks SET deleted_at = now() WHERE id = $1', [deleted]);
    await consumed(database);
    expect(ids(await phone.snapshot())).toEqual([alive, comment]);
  });

  it('is what a pull would say: a row without an owner is for all where the table says so [W-SNAP-6]', async () => {
    const tag = randomUUID();
    await database.query(`INSERT INTO tags (id, user_id, name) VALUES ($1, NULL, 'for all')`, [tag]);
    await consumed(database);
    expect(ids(await phone.snapshot())).toEqual([tag]);
    await database.query('DELETE FROM tags WHERE id = $1', [tag]);
    await consumed(database);
  });
});

describe('what changes between two pages', () => {
  it('arrives by the pull that follows, as the first page fixes the checkpoint [W-SNAP-2]', async () => {
    const tasks = (await insertTasks(database, user, 'task', 4)).toSorted();
    await consumed(database);
    const { last } = await logState(database);
    const first = await phone.snapshotPage();
    expect(first.checkpoint).toBe(last);
    expect(ids([first])).toEqual(tasks.slice(0, 2));

    const [sent = '', sentAndDeleted = '', unsent = '', unsentAndDeleted = ''] = tasks;
    await retitle(database, sent, 'changed');
    await retitle(database, unsent, 'changed');
    await database.query('DELETE FROM tasks WHERE id = ANY($1::uuid[])', [
      [sentAndDeleted, unsentAndDeleted],
    ]);
    const added = await insertTask(database, user, 'added', '00000000-0000-4000-8000-000000000000');
    await consumed(database);

    for (const record of first.records) phone.store.replace(record);
    let page = first;
    while (page.has_more) {
      page = await phone.snapshotPage({ cursor: page.cursor });
      expect(page.checkpoint).toBe(last);
      for (const record of page.records) phone.store.replace(record);
    }
    phone.checkpoint = page.checkpoint;
    await phone.pull();
    expect(phone.snapshotReasons).toEqual([]);
    expect([...phone.rows('tasks').keys()].toSorted()).toEqual([added, sent, unsent].toSorted());
    expect(phone.row('tasks', sent)).toMatchObject({ title: 'changed' });
    expect(phone.row('tasks', unsent)).toMatchObject({ title: 'changed' });
    await database.query('DELETE FROM tasks WHERE id = $1', [added]);
  });
});

describe('a cursor', () => {
  let own: readonly string[];
  let first: SnapshotResponse;

  beforeEach(async () => {
    own = (await insertTasks(database, user, 'own', 3)).toSorted();
    await insertTasks(database, 'victim', 'foreign', 3);
    await consumed(database);
    first = await phone.snapshotPage();
  });

  function forged(changes: Partial<Record<keyof Cursor, unknown>>): unknown {
    return { checkpoint: first.checkpoint, table_idx: 0, after_id: '', ...changes };
  }

  it("of another user's snapshot shows the own rows only [W-SNAP-1]", async () => {
    const victim = await registered('victim', 2);
    const foreign = await victim.snapshotPage();
    const answer = await page(foreign.cursor);
    for (const id of ids([answer])) expect(own).toContain(id);
  });

  it('of another device, without a snapshot in progress, starts over', async () => {
    const tablet = await registered(user, 2);
    const answer = await tablet.snapshotPage({ cursor: first.cursor });
    expect(ids([answer])).toEqual(own.slice(0, 2));
  });

  it('that was changed starts over, and never fails [W-SNAP-5] [W-SNAP-9]', async () => {
    const { checkpoint } = first;
    for (const cursor of [
      forged({ after_id: 'not of ours' }),
      forged({ after_id: afterId('nowhere', '') }),
      forged({ after_id: afterId('sync_clients', '') }),
      forged({ after_id: afterId('tasks') }),
      forged({ after_id: afterId('tasks', 7) }),
      forged({ after_id: afterId('tasks', '\0') }),
      forged({ after_id: null }),
      forged({ after_id: first.cursor?.after_id, checkpoint: null }),
      forged({ after_id: first.cursor?.after_id, checkpoint: 0 }),
      forged({ after_id: first.cursor?.after_id, checkpoint: -1 }),
      forged({ after_id: first.cursor?.after_id, checkpoint: checkpoint + 1_000_000 }),
      forged({ after_id: first.cursor?.after_id, checkpoint: 9_007_199_254_740_991 }),
      {},
      null,
    ]) {
      const answer = await page(cursor);
      expect(ids([answer]), JSON.stringify(cursor)).toEqual(own.slice(0, 2));
      expect(answer.checkpoint).toBeGreaterThanOrEqual(checkpoint);
    }
  });

  it('with a member of another type, or beyond 64 bits, is a bad request, as every such field', async () => {
    expect((await sendCursor(forged({ after_id: 7 }))).status).toBe(400);
    const huge = `{"checkpoint":9223372036854775808,"table_idx":0,"after_id":"${first.cursor?.after_id}"}`;
    const { schema_version: version, schema_hash: hash } = await phone.schemaIds();
    const answer = await phone.send(
      'snapshot',
      `{"client_id":"${phone.clientId}","cursor":${huge},"limit":2,"schema_version":${version},"schema_hash":"${hash}"}`,
    );
    expect(answer.status, answer.text).toBe(400);
  });

  it('whose place was moved shows the own rows from there on [W-SNAP-1] [W-SNAP-9]', async () => {
    const answer = await page(forged({ after_id: afterId('tasks', own[0]) }));
    expect(ids([answer])).toEqual(own.slice(1, 3));
    expect(ids([await page(forged({ after_id: afterId('tasks', '￿') }))])).toEqual([]);
  });

  it('is not confused by a table_idx of any size [W-SNAP-5]', async () => {
    for (const index of [-1, 2_147_483_647]) {
      const { cursor } = await phone.snapshotPage();
      expect(ids([await page({ ...cursor, table_idx: index })])).toEqual(own.slice(2));
    }
  });

  it('that is no object, or has a member of another type, is refused', async () => {
    for (const cursor of ['text', true, [], forged({ after_id: 7 })])
      expect(await sendCursor(cursor)).toMatchObject({ status: 400 });
  });
});

it('a client that is not registered gets 404 [W-HTTP-3]', async () => {
  const stranger = new Device(app.url, user);
  const answer = await stranger.send('snapshot', {
    client_id: stranger.clientId,
    cursor: null,
    ...(await stranger.schemaIds()),
  });
  expect(answer).toMatchObject({ status: 404, json: { error: 'client not registered' } });
});
