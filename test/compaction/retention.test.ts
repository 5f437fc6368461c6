import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SyncEngine, type CompactionResult } from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed, logState } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device, type DeviceOptions } from '../support/device.js';
import { insertTask, insertTasks, retitle } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import type { SnapshotResponse } from '../support/wire.js';

let database: TestDatabase;
let app: RunningApp;
/** Pulls whenever history is to grow and to be acknowledged. */
let bob: Device;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database });
});

beforeEach(async () => {
  // Only the devices of one test hold history back.
  await database.query('DELETE FROM sync_clients');
  bob = await started('bob');
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

function started(user: string, options?: DeviceOptions): Promise<Device> {
  return Device.started(app.url, user, options);
}

function compact(): Promise<CompactionResult> {
  return app.app.get(SyncEngine, { strict: false }).runCompaction();
}

/** Something happens, Bob acknowledges it, and what nobody holds back is removed. */
async function historyGoes(): Promise<CompactionResult> {
  await insertTasks(database, 'bob', 'history', 3);
  await consumed(database);
  await bob.pull();
  await bob.pull(); // its request acknowledges what the one before brought
  return compact();
}

/** Why Bob's device is sent to a snapshot from a checkpoint. */
async function reasonAt(checkpoint: number): Promise<string | undefined> {
  const page = await bob.pullPage({ checkpoint });
  return page.snapshot_reason;
}

async function clientRow(device: Device): Promise<Record<string, unknown> | undefined> {
  const [row] = await database.query(
    `SELECT is_active, last_pull_seq::int, snapshot_seq::int, floor(extract(epoch FROM snapshot_expires_at - now()))::int AS expires_in
       FROM sync_clients WHERE client_id = $1`,
    [device.clientId],
  );
  return row;
}

describe('a snapshot in progress', () => {
  let alice: Device;

  beforeEach(async () => {
    await insertTasks(database, 'alice', 'snapshot', 5);
    await consumed(database);
    alice = new Device(app.url, 'alice', randomUUID(), { pageSize: 2 });
    await alice.schema();
    await alice.register();
  });

  it('holds back compaction between two of its pages [W-SNAP-8] [interleaving 22]', async () => {
    const first = await alice.snapshotPage();
    const { safeSeq } = await historyGoes();
    expect(Number(safeSeq)).toBeLessThanOrEqual(first.checkpoint);
    const [changed] = first.records;
    await retitle(database, changed?.id ?? '', 'changed between two pages');
    await consumed(database);

    for (const record of first.records) alice.store.replace(record);
    let page = await alice.snapshotPage({ cursor: first.cursor });
    for (; page.has_more; page = await alice.snapshotPage({ cursor: page.cursor })) {
      expect(page.checkpoint, 'the snapshot goes on where it was').toBe(first.checkpoint);
    }
    alice.checkpoint = page.checkpoint;
    await alice.pull();
    expect(alice.snapshotReasons).toEqual([]);
    expect(alice.row('tasks', changed?.id ?? '')).toMatchObject({ title: 'changed between two pages' });
  });

  it('renews its hold in time, and gives it up with the last page [W-SNAP-8] [interleaving 22]', async () => {
    let page = await alice.snapshotPage();
    await database.query(`UPDATE sync_clients SET snapshot_expires_at = now() + interval '1 minute'`);
    page = await alice.snapshotPage({ cursor: page.cursor });
    expect(page.has_more).toBe(true);
    expect(Number((await clientRow(alice))?.['expires_in'])).toBeGreaterThan(800);
    while (page.has_more) page = await alice.snapshotPage({ cursor: page.cursor });
    expect(await clientRow(alice)).toMatchObject({ snapshot_seq: null, expires_in: null });
  });

  /** A phone sleeps for longer than its hold, between two pages. */
  async function sleeps(): Promise<void> {
    await database.query(
      `UPDATE sync_clients SET snapshot_expires_at = now() - interval '1 second' WHERE client_id = $1`,
      [alice.clientId],
    );
  }

  /** Takes the pages that follow one that the device has kept, and pulls, as the SDKs do. */
  async function goOn(first: SnapshotResponse): Promise<void> {
    let page = first;
    while (page.has_more) {
      page = await alice.snapshotPage({ cursor: page.cursor });
      for (const record of page.records) alice.store.replace(record);
    }
    alice.checkpoint = page.checkpoint;
    await alice.pull();
  }

  it('goes on after its hold has expired, and takes another one [W-SNAP-8] [interleaving 22]', async () => {
    const first = await alice.snapshotPage();
    for (const record of first.records) alice.store.replace(record);
    const gone = first.records[0]?.id ?? '';
    await sleeps();
    await database.query('DELETE FROM tasks WHERE id = $1', [gone]);
    await consumed(database);
    const second = await alice.snapshotPage({ cursor: first.cursor });
    expect(second.checkpoint, 'or what was deleted since would stay on the device').toBe(first.checkpoint);
    expect(Number((await historyGoes()).safeSeq)).toBeLessThanOrEqual(first.checkpoint);
    await goOn(first);
    expect(alice.snapshotReasons).toEqual([]);
    expect(alice.row('tasks', gone)).toBeUndefined();
  });

  it('is followed by another one, from the beginning, where history has gone meanwhile [interleaving 22]', async () => {
    const first = await alice.snapshotPage();
    for (const record of first.records) alice.store.replace(record);
    const gone = first.records[0]?.id ?? '';
    await sleeps();
    await database.query('DELETE FROM tasks WHERE id = $1', [gone]);
    await consumed(database);
    const { safeSeq } = await historyGoes();
    expect(Number(safeSeq)).toBeGreaterThan(first.checkpoint);
    await goOn(first);
    expect(alice.snapshotReasons).toEqual(['checkpoint_before_retention']);
    expect(alice.row('tasks', gone)).toBeUndefined();
    await alice.pull();
    expect(alice.snapshotReasons).toHaveLength(1);
  });

  it('that begins again is held, though one before it has lost its history', async () => {
    const first = await alice.snapshotPage();
    await sleeps();
    await historyGoes();
    await alice.snapshotPage({ cursor: first.cursor });
    const anew = await alice.snapshotPage();
    expect(Number((await historyGoes()).safeSeq)).toBeLessThanOrEqual(anew.checkpoint);
  });

  it('may ask for its last page again, as the answer may be lost', async () => {
    const pages = await alice.snapshot();
    const last = pages.at(-1);
    const again = await alice.snapshotPage({ cursor: pages.at(-2)?.cursor });
    expect([again.checkpoint, again.records, again.has_more]).toEqual([
      last?.checkpoint,
      last?.records,
      false,
    ]);
  });

  it('begins above the floor of a compaction that is under way [W-CMP-3] [interleaving 22]', async () => {
    let page: ReturnType<Device['snapshotPage']> | undefined;
    await withClient(database.url, async (compaction) => {
      await compaction.query('BEGIN');
      await compaction.query('SELECT pg_advisory_xact_lock(91110044)');
      page = alice.snapshotPage();
      await eventually(async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`,
        );
        return waiting.length === 1;
      });
      await compaction.query(
        'UPDATE sync_wal_position SET last_seq = last_seq + 10, floor_seq = last_seq + 10',
      );
      await compaction.query('COMMIT');
    });
    const { floor } = await logState(database);
    expect((await page)?.checkpoint).toBeGreaterThanOrEqual(floor);
  });

  it('is seen by a compaction that comes while it begins [W-CMP-3] [interleaving 22]', async () => {
    const { last } = await logState(database);
    await insertTasks(database, 'bob', 'history', 3);
    await consumed(database);
    await bob.pull();
    await bob.pull();
    const run = await withClient(database.url, async (beginning) => {
      await beginning.query('BEGIN');
      await beginning.query('SELECT pg_advisory_xact_lock_shared(91110044)');
      await beginning.query(
        `UPDATE sync_clients SET snapshot_seq = $1, snapshot_expires_at = now() + interval '1 minute' WHERE client_id = $2`,
        [last, alice.clientId],
      );
      const running = compact();
      await eventually(async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`,
        );
        return waiting.length === 1;
      });
      await beginning.query('COMMIT');
      return { running };
    });
    expect(Number((await run.running).safeSeq)).toBeLessThanOrEqual(last);
  });

  it('once finished, holds back compaction until its device has pulled [W-CMP-3] [interleaving 22]', async () => {
    await alice.snapshot();
    await historyGoes();
    await retitle(database, [...alice.rows('tasks').keys()][0] ?? '', 'after the snapshot');
    await historyGoes();
    await alice.pull();
    expect(alice.snapshotReasons).toEqual([]);
    expect([...alice.rows('tasks').values()].map((row) => row['title'])).toContain('after the snapshot');
  });
});

describe('a quiet client', () => {
  it('is never sent to a snapshot, and never holds compaction back [W-PULL-4] [W-PULL-5] [W-CMP-1]', async () => {
    const alice = await started('alice');
    for (let round = 0; round < 3; round++) {
      await alice.pull();
      const { safeSeq } = await historyGoes();
      expect(Number(safeSeq)).toBeLessThanOrEqual(alice.checkpoint);
      await alice.pull();
    }
    await alice.pull();
    const { entries } = await logState(database);
    await compact();
    expect((await logState(database)).entries).toBeLessThan(entries);
    expect(alice.snapshotReasons).toEqual([]);
    expect(bob.snapshotReasons).toEqual([]);
  });

  it('whose answer was lost pulls again from where it was [W-PULL-7]', async () => {
    const alice = await started('alice');
    await alice.pull();
    const { checkpoint } = alice;
    const task = await insertTask(database, 'alice', 'in the lost answer');
    await consumed(database);
    await alice.pullPage(); // never arrives
    await historyGoes();
    const page = await alice.pullPage({ checkpoint });
    expect(page.snapshot_required).toBeUndefined();
    expect(page.changes.map((record) => record.id)).toEqual([task]);
  });

  it('that goes back to an earlier checkpoint holds compaction back there [W-CLI-1]', async () => {
    const alice = await started('alice');
    const { checkpoint } = alice;
    await insertTask(database, 'alice', 'later');
    await consumed(database);
    await alice.pull();
    await alice.pull();
    await alice.pullPage({ checkpoint });
    const { safeSeq } = await historyGoes();
    expect(Number(safeSeq)).toBe(checkpoint);
  });
});

describe('the retention floor', () => {
  it('is stored: it outlasts the entries above which it stood [scenario 121] [W-PULL-4] [W-CMP-1]', async () => {
    const alice = await started('alice');
    const { checkpoint } = alice;
    await database.query(
      `UPDATE sync_clients SET last_sync_at = now() - interval '8 days', last_pull_at = now() - interval '8 days' WHERE client_id = $1`,
      [alice.clientId],
    );
    const { safeSeq } = await historyGoes();
    await database.query('DELETE FROM sync_changelog');
    const { floor, entries } = await logState(database);
    expect({ floor, entries }).toEqual({ floor: Number(safeSeq), entries: 0 });
    expect(await alice.pullPage({ checkpoint })).toMatchObject({
      changes: [],
      deletes: [],
      checkpoint,
      has_more: false,
      snapshot_required: true,
      snapshot_reason: 'checkpoint_before_retention',
    });
  });

  it('sends a client below it, and none at it or above, to a snapshot [W-PULL-4] [W-CMP-1]', async () => {
    await historyGoes();
    const { floor, last } = await logState(database);
    expect(floor).toBeGreaterThan(1);
    expect(await reasonAt(floor - 1)).toBe('checkpoint_before_retention');
    expect(await reasonAt(0)).toBe('checkpoint_before_retention');
    expect(await reasonAt(floor)).toBeUndefined();
    expect(await reasonAt(last)).toBeUndefined();
  });

  it('a checkpoint above the last seq ever issued is of another log [W-PULL-4]', async () => {
    const { last } = await logState(database);
    expect(await bob.pullPage({ checkpoint: last + 1 })).toMatchObject({
      snapshot_required: true,
      snapshot_reason: 'history_unavailable',
      checkpoint: last + 1,
    });
    await insertTask(database, 'bob', 'after');
    await consumed(database);
    bob.checkpoint = last + 1_000_000;
    await bob.pull();
    expect(bob.snapshotReasons).toEqual(['history_unavailable']);
    expect(bob.checkpoint).toBeLessThan(last + 1_000_000);
  });

  it('stays where it is while no client is known', async () => {
    await historyGoes();
    const { floor } = await logState(database);
    await database.query('DELETE FROM sync_clients');
    expect(await compact()).toMatchObject({ safeSeq: String(floor), deletedEntries: 0 });
  });

  it('is where the slowest active client is [scenario 130]', async () => {
    const alice = await started('alice');
    await insertTasks(database, 'alice', 'entry', 20);
    await consumed(database);
    const half = await alice.pullPage({ limit: 10 });
    expect(half.has_more).toBe(true);
    await alice.pullPage({ checkpoint: half.checkpoint });
    const { safeSeq, deletedEntries } = await historyGoes();
    expect(Number(safeSeq)).toBe(half.checkpoint);
    expect(deletedEntries).toBeGreaterThanOrEqual(10);
    alice.checkpoint = half.checkpoint;
    await alice.pull();
    expect(alice.rows('tasks').size).toBeGreaterThanOrEqual(10);
    expect([...alice.snapshotReasons, ...bob.snapshotReasons]).toEqual([]);
  });
});

describe('a client that has been away', () => {
  let alice: Device;

  beforeEach(async () => {
    alice = await started('alice');
    await alice.pull();
    await database.query(
      `UPDATE sync_clients SET last_sync_at = now() - interval '8 days', last_pull_at = now() - interval '8 days' WHERE client_id = $1`,
      [alice.clientId],
    );
  });

  it('no longer holds compaction back [scenario 131]', async () => {
    const { deactivatedClients, safeSeq } = await historyGoes();
    expect(deactivatedClients).toBe(1);
    expect(Number(safeSeq)).toBeGreaterThan(alice.checkpoint);
    expect(await clientRow(alice)).toMatchObject({ is_active: false });
  });

  it('counts again as soon as it pulls [W-PULL-14]', async () => {
    expect(await compact()).toMatchObject({ deactivatedClients: 1 });
    await alice.pull();
    expect(alice.snapshotReasons).toEqual([]);
    expect(await clientRow(alice)).toMatchObject({ is_active: true });
    const { safeSeq } = await historyGoes();
    expect(Number(safeSeq)).toBeLessThanOrEqual(alice.checkpoint);
  });

  it('whose history is gone counts again once it has a new snapshot [scenario 133]', async () => {
    await historyGoes();
    await alice.pull();
    expect(alice.snapshotReasons).toEqual(['checkpoint_before_retention']);
    expect(await clientRow(alice)).toMatchObject({ is_active: true, last_pull_seq: alice.checkpoint });
  });
});

describe('before its first snapshot', () => {
  it('a device that pulls from 0 is asked for it', async () => {
    const alice = new Device(app.url, 'alice');
    await alice.register();
    expect(await alice.pullPage()).toMatchObject({
      snapshot_required: true,
      snapshot_reason: 'initial_sync_required',
      changes: [],
      deletes: [],
      checkpoint: 0,
      has_more: false,
    });
  });

  it('a device with a checkpoint has it from another user, and starts over [W-PULL-8]', async () => {
    const alice = new Device(app.url, 'alice', bob.clientId);
    alice.checkpoint = bob.checkpoint;
    await alice.register();
    expect(await alice.pullPage()).toMatchObject({
      snapshot_required: true,
      snapshot_reason: 'history_unavailable',
    });
  });
});

it('while nothing was there before the slot and nothing was compacted, a device may pull from 0 [interleaving 24] [W-SNAP-3]', async () => {
  const empty = await createDatabase();
  const fresh = await startApp({ database: empty });
  try {
    const alice = new Device(fresh.url, 'alice');
    await alice.start();
    expect(alice.checkpoint, 'or the SDKs would start over at every start (W-SNAP-3)').toBeGreaterThan(0);
    const ids = await insertTasks(empty, 'alice', 'task', 3);
    await consumed(empty);
    const page = await alice.pullPage({ checkpoint: 0 });
    expect(page.snapshot_required).toBeUndefined();
    expect(page.changes.map((record) => record.id)).toEqual(ids);

    await alice.pull();
    await alice.pull();
    await fresh.app.get(SyncEngine, { strict: false }).runCompaction();
    expect(await alice.pullPage({ checkpoint: 0 })).toMatchObject({
      snapshot_reason: 'checkpoint_before_retention',
    });
  } finally {
    await fresh.close();
    await empty.drop();
  }
});

it('where rows were there before the slot, a device that pulls from 0 is sent to a snapshot [interleaving 24]', async () => {
  const used = await createDatabase();
  try {
    // The first start migrates and never consumes; the rows are there before the second one makes the slot.
    const first = await startApp({ database: used, synchro: { replication: false } });
    const task = await insertTask(used, 'alice', 'there before');
    await first.close();
    const second = await startApp({ database: used });
    const alice = new Device(second.url, 'alice');
    await alice.start();
    expect(alice.row('tasks', task)).toMatchObject({ title: 'there before' });
    expect(await alice.pullPage({ checkpoint: 0 })).toMatchObject({
      snapshot_reason: 'checkpoint_before_retention',
    });
    await second.close();
  } finally {
    await used.drop();
  }
});
