import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { SyncEngine, type CompactionResult } from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device, type DeviceOptions } from '../support/device.js';
import { insertTasks } from '../support/sample-rows.js';

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

async function compacted(): Promise<Partial<CompactionResult>> {
  const { removedClients, removedFailures, removedManifests } = await engine.runCompaction();
  return { removedClients, removedFailures, removedManifests };
}

const NOTHING = { removedClients: 0, removedFailures: 0, removedManifests: 0 };

/** As if all that is known of the device had happened that much earlier. */
async function aged(device: Device, interval: string): Promise<void> {
  const columns = ['created_at', 'updated_at', 'last_pull_at', 'last_sync_at', 'last_push_at'];
  await database.query(
    `UPDATE sync_clients SET ${columns.map((column) => `${column} = ${column} - $2::interval`).join(', ')}
      WHERE client_id = $1`,
    [device.clientId, interval],
  );
}

describe('compaction clears up', () => {
  it('forgets devices that were silent for 90 days, but not what they have parked [W-CMP-4] [W-CLI-2]', async () => {
    const [dead, quiet] = [await started('alice'), await started('alice')];
    dead.create('tasks', { title: 'late', user_id: 'alice' });
    const comment = dead.create('comments', { task_id: randomUUID(), body: 'early' });
    await dead.push(dead.store.pending(2).filter(({ id }) => id === comment));
    await aged(dead, '91 days');
    await aged(quiet, '89 days');
    expect(await compacted()).toEqual({ ...NOTHING, removedClients: 1 });
    expect((await engine.clients('alice')).map(({ clientId }) => clientId)).toEqual([quiet.clientId]);
    expect(await database.query('SELECT record_id FROM sync_parked_rows')).toEqual([{ record_id: comment }]);

    await dead.start(); // as an app does: it registers first
    expect(dead.snapshotReasons).toEqual(['history_unavailable']);
    expect(dead.store.pendingCount).toBe(0);
  });

  it('keeps a device that pushes, or takes a snapshot, however long its last pull is ago [W-CMP-4]', async () => {
    const [pusher, reader] = [await started('alice'), await started('alice', { pageSize: 1 })];
    await insertTasks(database, 'alice', 'task', 3);
    await consumed(database);
    await aged(pusher, '91 days');
    await aged(reader, '91 days');
    pusher.create('tasks', { title: 'pushed', user_id: 'alice' });
    await pusher.pushPending();
    await reader.snapshotPage();
    expect(await compacted()).toEqual(NOTHING);
    expect(await engine.clients('alice')).toMatchObject([{ active: false }, { active: false }]);
  });

  it('reports rows that have waited for their parent for over a week to operators [interleaving 20]', async () => {
    const device = await started('alice');
    const comment = device.create('comments', { task_id: randomUUID(), body: 'early' });
    await device.push(device.store.pending(1));
    await compacted();
    const failures = (): Promise<unknown[]> =>
      database.query('SELECT FROM sync_rule_failures WHERE record_id = $1 AND resolved_at IS NULL', [
        comment,
      ]);
    expect(await failures()).toHaveLength(0);
    await database.query(`UPDATE sync_parked_rows SET created_at = created_at - interval '8 days'`);
    await compacted();
    expect(await failures()).toHaveLength(1);
  });

  it('removes failures that were resolved before the threshold [W-CMP-4]', async () => {
    await database.query(
      `INSERT INTO sync_rule_failures (table_name, record_id, operation, error_text, retry_at, resolved_at)
       VALUES ('t', 'long ago', 1, 'x', now(), now() - interval '8 days'), ('t', 'lately', 1, 'x', now(), now()),
              ('t', 'open', 1, 'x', 'infinity', NULL)`,
    );
    expect(await compacted()).toEqual({ ...NOTHING, removedFailures: 1 });
    expect(
      await database.query(`SELECT record_id FROM sync_rule_failures WHERE table_name = 't' ORDER BY id`),
    ).toEqual([{ record_id: 'lately' }, { record_id: 'open' }]);
  });

  it('forgets what devices could not push, once nothing is heard of it for long [W-HOST-29]', async () => {
    await database.query(
      `INSERT INTO sync_push_failures (user_key, change_key, user_id, client_id, table_name, record_id, operation, error, updated_at)
       SELECT 'u', k, 'alice', 'c', 'tasks', 'r', 'create', 'e', now() - age
         FROM (VALUES ('old', interval '8 days'), ('young', interval '6 days')) AS f(k, age)`,
    );
    await compacted();
    const left = await database.query('SELECT change_key FROM sync_push_failures');
    expect(left).toEqual([{ change_key: 'young' }]);
  });

  it('keeps the last hundred contracts, and the current one [W-CMP-4]', async () => {
    const { version } = await engine.schema();
    await database.query(
      `INSERT INTO sync_schema_manifest (schema_version, schema_hash)
       SELECT $1::bigint + n, 'hash ' || n FROM generate_series(1, 150) AS n`,
      [version.toString()],
    );
    expect(await compacted()).toEqual({ ...NOTHING, removedManifests: 50 });
    const [left] = await database.query(
      `SELECT count(*)::integer, min(schema_version) FILTER (WHERE schema_version > $1)::integer AS oldest,
              count(*) FILTER (WHERE schema_version = $1)::integer AS current FROM sync_schema_manifest`,
      [version.toString()],
    );
    expect(left).toEqual({ count: 101, oldest: Number(version) + 51, current: 1 });
    expect(await compacted()).toEqual(NOTHING);
  });
});
