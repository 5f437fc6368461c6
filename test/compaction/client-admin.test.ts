import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SyncEngine } from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device, type DeviceOptions } from '../support/device.js';
import { insertTasks } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

let database: TestDatabase;
let app: RunningApp;
let engine: SyncEngine;

beforeAll(async () => {
  database = await createDatabase();
  app = await startApp({ database, synchro: { compaction: {} } });
  engine = app.app.get(SyncEngine, { strict: false });
});
beforeEach(async () => {
  await database.query('DELETE FROM sync_clients');
});
afterAll(async () => {
  await app.close();
  await database.drop();
});

function started(user: string, options?: DeviceOptions): Promise<Device> {
  return Device.started(app.url, user, options);
}

/** A comment that came before its task. */
async function park(device: Device): Promise<{ readonly task: string; readonly comment: string }> {
  const task = device.create('tasks', { title: 'late', user_id: device.userId });
  const comment = device.create('comments', { task_id: task, body: 'early' });
  await device.push(device.store.pending(2).filter(({ id }) => id === comment));
  return { task, comment };
}

async function parked(): Promise<readonly unknown[]> {
  const rows = await database.query<{ record_id: string }>('SELECT record_id FROM sync_parked_rows');
  return rows.map((row) => row.record_id);
}

describe('a device that was revoked', () => {
  it('has to register again, whatever it asks, and takes a snapshot then', async () => {
    const device = await started('alice');
    expect(await engine.revokeClient('alice', device.clientId)).toBe(true);
    const ids = await device.schemaIds();
    const bodies = {
      pull: { checkpoint: device.checkpoint, limit: 10 },
      push: { changes: [] },
      snapshot: { cursor: null, limit: 10 },
    };
    for (const [path, body] of Object.entries(bodies)) {
      expect(await device.send(path, { client_id: device.clientId, ...body, ...ids }), path).toMatchObject({
        status: 404,
        json: { error: 'client not registered' },
      });
    }
    const edit = device.create('tasks', { title: 'typed meanwhile', user_id: 'alice' });
    await device.register();
    await device.sync();
    expect(device.snapshotReasons).toEqual(['history_unavailable']);
    await consumed(database);
    await device.pull();
    expect(device.row('tasks', edit)).toMatchObject({ title: 'typed meanwhile' });
  });

  it('no longer holds history back, and other devices stay as they were', async () => {
    const [lost, kept] = [await started('alice'), await started('alice')];
    const stranger = new Device(app.url, 'bob', lost.clientId);
    await stranger.start();
    await insertTasks(database, 'alice', 'task', 3);
    await consumed(database);
    for (const device of [kept, kept, stranger, stranger]) await device.pull();
    expect(Number((await engine.runCompaction()).safeSeq)).toBe(lost.checkpoint);
    expect(await engine.revokeClient('alice', lost.clientId)).toBe(true);
    expect(Number((await engine.runCompaction()).safeSeq)).toBe(kept.checkpoint);
    await stranger.pull();
    expect([...kept.snapshotReasons, ...stranger.snapshotReasons]).toEqual([]);
  });

  it('in the middle of a snapshot gets that answer, and its hold is gone', async () => {
    await insertTasks(database, 'carol', 'task', 5);
    await consumed(database);
    const device = new Device(app.url, 'carol', randomUUID(), { pageSize: 2 });
    await device.schema();
    await device.register();
    const { cursor, checkpoint } = await device.snapshotPage();
    const other = await started('other');
    await insertTasks(database, 'carol', 'more', 2);
    await consumed(database);
    await other.pull();
    await other.pull();
    expect(Number((await engine.runCompaction()).safeSeq)).toBeLessThanOrEqual(checkpoint);
    expect(await engine.revokeClient('carol', device.clientId)).toBe(true);
    await expect(device.snapshotPage({ cursor })).rejects.toMatchObject({ status: 404 });
    expect(Number((await engine.runCompaction()).safeSeq)).toBe(other.checkpoint);
    await device.register();
    await device.snapshot();
    expect(device.rows('tasks').size).toBe(7);
  });

  it.each(['pull', 'snapshot'] as const)('while its %s is under way harms nobody', async (path) => {
    const device = await started('alice');
    // So that the pull has both a visit and other subscriptions to write down.
    await database.query(
      `UPDATE sync_clients SET last_pull_at = now() - interval '1 hour', bucket_subs = '{}' WHERE client_id = $1`,
      [device.clientId],
    );
    await withClient(database.url, async (revocation) => {
      await revocation.query('BEGIN');
      await revocation.query('DELETE FROM sync_clients WHERE client_id = $1', [device.clientId]);
      const answer = device.send(path, {
        client_id: device.clientId,
        checkpoint: device.checkpoint,
        limit: 10,
        ...(await device.schemaIds()),
      });
      await eventually(async () => {
        const waiting = await database.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE '%sync_clients%'`,
        );
        return waiting.length === 1;
      });
      await revocation.query('COMMIT');
      // What was read before is the device's; what it writes down of itself goes nowhere.
      expect((await answer).status).toBe(path === 'pull' ? 200 : 404);
    });
    expect(await database.query('SELECT FROM sync_subscription_changes')).toEqual([]);
  });

  it('was there or was not', async () => {
    const device = await started('alice');
    expect(await engine.revokeClient('bob', device.clientId)).toBe(false);
    expect(await engine.revokeClient('alice', 'another')).toBe(false);
    await device.pull();
    expect(await engine.revokeClient('alice', device.clientId)).toBe(true);
    expect(await engine.revokeClient('alice', device.clientId)).toBe(false);
  });

  it('leaves what it has parked to its user: another device brings the parent', async () => {
    const lost = await started('alice');
    const { task, comment } = await park(lost);
    await engine.revokeClient('alice', lost.clientId);
    expect(await parked()).toEqual([comment]);
    const other = await started('alice');
    other.create('tasks', { title: 'late', user_id: 'alice' }, task);
    await other.pushPending();
    expect(await parked()).toEqual([]);
    expect(await database.query('SELECT body FROM comments WHERE id = $1', [comment])).toEqual([
      { body: 'early' },
    ]);
  });
});

describe('the devices of a user', () => {
  it('are listed with what is known of them', async () => {
    const userId = randomUUID();
    const first = await started(userId);
    const second = new Device(app.url, userId, randomUUID(), { appVersion: '2.1.0' });
    await second.register();
    await database.query(
      `UPDATE sync_clients SET is_active = false, created_at = now() WHERE client_id = $1`,
      [second.clientId],
    );
    await started('somebody else');
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(await engine.clients(userId.toUpperCase())).toEqual([
      {
        id: expect.any(String),
        clientId: first.clientId,
        clientName: null,
        platform: 'test',
        appVersion: '1.0.0',
        checkpoint: String(first.checkpoint),
        active: true,
        createdAt: time,
        lastSyncAt: time,
        lastPullAt: time,
        lastPushAt: null,
      },
      {
        id: expect.any(String),
        clientId: second.clientId,
        clientName: null,
        platform: 'test',
        appVersion: '2.1.0',
        checkpoint: null,
        active: false,
        createdAt: time,
        lastSyncAt: null,
        lastPullAt: null,
        lastPushAt: null,
      },
    ]);
    expect(await engine.revokeClient(userId.toUpperCase(), first.clientId)).toBe(true);
  });
});
