import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SyncEngine, type CompactionResult } from '../../lib/index.js';
import { startApp, type AppOptions, type RunningApp } from '../support/app.js';
import { consumed, logState } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device, type DeviceOptions } from '../support/device.js';
import { insertTask, insertTasks, retitle } from '../support/sample-rows.js';

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(async () => {
  await database.drop();
});
beforeEach(async () => {
  await begin({ compaction: {} });
});
afterEach(async () => {
  await app.close();
});

/** A new app, with no device that holds history back. */
async function begin(synchro: AppOptions['synchro']): Promise<void> {
  await app?.close();
  app = await startApp({ database, synchro });
  await database.query('DELETE FROM sync_clients');
}

function started(user: string, options?: DeviceOptions): Promise<Device> {
  return Device.started(app.url, user, options);
}

function compact(): Promise<CompactionResult> {
  return app.app.get(SyncEngine, { strict: false }).runCompaction();
}

/** Entries that a device has pulled and acknowledged. */
async function acknowledged(device: Device, count: number): Promise<void> {
  await insertTasks(database, device.userId, 'entry', count);
  await consumed(database);
  await device.pull();
  await device.pull(); // its request acknowledges what the one before brought
}

/** Moves what is known of a device's contacts into the past. */
async function silentFor(device: Device, interval: string, columns = CONTACTS): Promise<void> {
  const moved = columns.map((column) => `${column} = ${column} - $2::interval`);
  await database.query(`UPDATE sync_clients SET ${moved.join(', ')} WHERE client_id = $1`, [
    device.clientId,
    interval,
  ]);
}

const CONTACTS = ['last_sync_at', 'last_pull_at', 'last_push_at', 'created_at', 'updated_at'];

/** Moves the whole log into the past. */
async function age(interval: string): Promise<void> {
  await database.query('UPDATE sync_changelog SET created_at = created_at - $1::interval', [interval]);
}

async function known(device: Device): Promise<{ is_active: boolean; last_pull_seq: number } | undefined> {
  const [row] = await database.query<{ is_active: boolean; last_pull_seq: number }>(
    'SELECT is_active, last_pull_seq::integer FROM sync_clients WHERE client_id = $1',
    [device.clientId],
  );
  return row;
}

const NOTHING = {
  deactivatedClients: 0,
  deletedEntries: 0,
  removedClients: 0,
  removedFailures: 0,
  removedManifests: 0,
};

describe('a run', () => {
  it('is refused where compaction is not configured [scenario 134]', async () => {
    await begin({ compaction: undefined });
    await expect(compact()).rejects.toMatchObject({
      code: 'compaction_not_configured',
      fix: expect.stringContaining('compaction: {}'),
    });
  });

  it('removes nothing while no device is known [scenario 129]', async () => {
    await insertTasks(database, 'nobody', 'entry', 3);
    await consumed(database);
    const before = await logState(database);
    expect(await compact()).toEqual({ ...NOTHING, safeSeq: String(before.floor) });
    expect(await logState(database)).toEqual(before);
  });

  it('goes to the slowest device, and all can pull afterwards [scenario 130]', async () => {
    const fast = await started('ann');
    const slow = await started('ann');
    await insertTasks(database, 'ann', 'entry', 20);
    await consumed(database);
    await fast.pull();
    await fast.pull();
    const half = await slow.pullPage({ limit: 10 });
    await slow.pullPage({ checkpoint: half.checkpoint });

    const { safeSeq, deletedEntries } = await compact();
    expect(Number(safeSeq)).toBe(half.checkpoint);
    expect(deletedEntries).toBeGreaterThan(0);
    for (const record of half.changes) slow.store.applyChange(record);
    slow.checkpoint = half.checkpoint;
    await fast.pull();
    await slow.pull();
    expect([...fast.snapshotReasons, ...slow.snapshotReasons]).toEqual([]);
    expect(slow.rows('tasks').size).toBe(fast.rows('tasks').size);
  });

  it('deletes in batches, each in a transaction of its own', async () => {
    await begin({ compaction: { batchSize: 4 } });
    const device = await started('batches');
    await acknowledged(device, 10);
    await database.query(
      `CREATE TABLE batches (xid xid8 DEFAULT pg_current_xact_id(), entries bigint);
       CREATE FUNCTION note_batch() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO batches (entries) SELECT count(*) FROM gone; RETURN NULL; END';
       CREATE TRIGGER batch AFTER DELETE ON sync_changelog REFERENCING OLD TABLE AS gone
         EXECUTE FUNCTION note_batch()`,
    );
    try {
      const { deletedEntries, safeSeq } = await compact();
      expect(deletedEntries).toBeGreaterThanOrEqual(10);
      const batches = await database.query<{ xid: string; entries: string }>('SELECT * FROM batches');
      expect(batches.length).toBe(Math.floor(deletedEntries / 4) + 1);
      expect(new Set(batches.map(({ xid }) => xid)).size).toBe(batches.length);
      expect(Math.max(...batches.map(({ entries }) => Number(entries)))).toBe(4);
      expect(await database.query('SELECT FROM sync_changelog WHERE seq <= $1', [safeSeq])).toEqual([]);
    } finally {
      await database.query(
        'DROP TRIGGER batch ON sync_changelog; DROP FUNCTION note_batch; DROP TABLE batches',
      );
    }
  });
});

describe('a device', () => {
  it('that is silent for the threshold no longer counts [scenario 131]', async () => {
    await begin({ compaction: { staleThreshold: 1 } });
    const device = await started('stale');
    await silentFor(device, '1 second');
    expect(await compact()).toMatchObject({ deactivatedClients: 1 });
    expect(await known(device)).toMatchObject({ is_active: false });
    expect(await compact()).toMatchObject({ deactivatedClients: 0 });
  });

  it('that only pushes no longer counts either: a push acknowledges nothing [W-CLI-3]', async () => {
    const pusher = await started('pusher');
    await silentFor(pusher, '8 days');
    pusher.create('tasks', { title: 'pushed', user_id: 'pusher' });
    await pusher.pushPending();
    const other = await started('other');
    await acknowledged(other, 3);
    const { safeSeq, deactivatedClients } = await compact();
    expect(deactivatedClients).toBe(1);
    expect(Number(safeSeq)).toBeGreaterThan(pusher.checkpoint);
  });

  it('that registered and never came back is deactivated, too [W-CMP-4]', async () => {
    const device = new Device(app.url, 'never');
    await device.register();
    expect(await compact()).toMatchObject({ deactivatedClients: 0 });
    await silentFor(device, '8 days');
    expect(await compact()).toMatchObject({ deactivatedClients: 1 });
    await device.snapshot();
    expect(await known(device)).toMatchObject({ is_active: true });
  });

  it('that finishes a snapshot counts again [scenario 133]', async () => {
    const device = await started('back');
    await silentFor(device, '8 days');
    await compact();
    expect(await known(device)).toMatchObject({ is_active: false });
    await device.snapshot();
    expect(await known(device)).toMatchObject({ is_active: true, last_pull_seq: device.checkpoint });
  });

  it('that is below the floor already holds nothing back, nor does its snapshot', async () => {
    const behind = await started('behind');
    await insertTasks(database, 'behind', 'task', 2);
    await consumed(database);
    expect(await behind.snapshotPage({ limit: 1 })).toMatchObject({ has_more: true });
    const other = await started('other');
    await acknowledged(other, 3);
    await database.query('UPDATE sync_wal_position SET floor_seq = $1', [other.checkpoint]);
    expect(behind.checkpoint).toBeLessThan(other.checkpoint);
    await acknowledged(other, 3);
    expect(Number((await compact()).safeSeq)).toBe(other.checkpoint);
  });

  it('is sent to a snapshot once history went past its checkpoint, which it gets back [scenario 121]', async () => {
    const away = await started('away');
    const { checkpoint } = away;
    await silentFor(away, '8 days');
    await acknowledged(await started('other'), 3);
    await compact();
    expect(await away.pullPage()).toMatchObject({
      snapshot_required: true,
      snapshot_reason: 'checkpoint_before_retention',
      checkpoint,
    });
  });
});

describe('maxAge', () => {
  beforeEach(async () => {
    await begin({ compaction: { maxAge: '3d' } });
  });

  it('lets history go that an active device still needs, and that device to a snapshot [W-CMP-2]', async () => {
    const slow = await started('slow');
    slow.create('tasks', { title: 'typed offline', user_id: 'slow' });
    await insertTasks(database, 'slow', 'old', 3);
    await consumed(database);
    await age('4 days');
    const { last } = await logState(database);
    const young = await insertTask(database, 'slow', 'young');
    await consumed(database);

    expect(Number((await compact()).safeSeq)).toBe(last);
    expect(await known(slow)).toMatchObject({ is_active: true });
    await slow.pull();
    expect(slow.snapshotReasons).toEqual(['checkpoint_before_retention']);
    expect(slow.row('tasks', young)).toMatchObject({ title: 'young' });
    await consumed(database);
    await slow.pull();
    expect([...slow.rows('tasks').values()].map((row) => row['title'])).toContain('typed offline');
  });

  it('removes nothing that is younger [W-CMP-2]', async () => {
    const slow = await started('slow');
    await insertTasks(database, 'slow', 'new', 3);
    await consumed(database);
    await compact();
    await slow.pull();
    expect(slow.snapshotReasons).toEqual([]);
  });

  it('bounds the log while no device is active [W-CMP-2]', async () => {
    await insertTasks(database, 'nobody', 'old', 3);
    await consumed(database);
    await age('4 days');
    await compact();
    expect(await logState(database)).toMatchObject({ entries: 0 });
  });

  it('waits for a snapshot in progress, which never starts over [scenario 132] [W-SNAP-8] [interleaving 22]', async () => {
    const ids = await insertTasks(database, 'paging', 'task', 5);
    await consumed(database);
    const device = new Device(app.url, 'paging', randomUUID(), { pageSize: 2 });
    await device.schema();
    await device.register();
    const first = await device.snapshotPage();
    let page = first;
    let pages = 1;
    for (; page.has_more; pages++) {
      expect(page.cursor).toBeDefined();
      for (const record of page.records) device.store.replace(record);
      await retitle(database, ids[0] ?? '', `changed after page ${pages}`);
      await consumed(database);
      await age('4 days');
      expect(Number((await compact()).safeSeq)).toBeLessThanOrEqual(first.checkpoint);
      page = await device.snapshotPage({ cursor: page.cursor });
      expect(page.checkpoint).toBe(first.checkpoint);
    }
    for (const record of page.records) device.store.replace(record);
    expect(pages).toBe(3);
    device.checkpoint = page.checkpoint;
    expect(device.checkpoint).toBeGreaterThan(0);
    await device.pull();
    expect(device.snapshotReasons).toEqual([]);
    expect([...device.rows('tasks').keys()].toSorted()).toEqual([...ids].toSorted());
    expect(device.row('tasks', ids[0] ?? '')).toMatchObject({ title: 'changed after page 2' });
  });
});
