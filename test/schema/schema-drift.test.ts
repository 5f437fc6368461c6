import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApp, type RunningApp } from '../support/app.js';
import { withClient } from '../support/client.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask, retitle } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import type { SchemaIds, SchemaResponse, WireAnswer } from '../support/wire.js';

const ENDPOINTS = ['register', 'pull', 'push', 'snapshot'] as const;
type Endpoint = (typeof ENDPOINTS)[number];

let database: TestDatabase;
let apps: readonly RunningApp[];
/** The same device, talking to one instance or the other. */
let devices: readonly Device[];
let task: string;

beforeAll(async () => {
  database = await createDatabase();
  apps = [await startApp({ database }), await startApp({ database, synchro: { replication: false } })];
  const clientId = randomUUID();
  devices = apps.map((app) => new Device(app.url, 'alice', clientId));
  for (const device of devices) await device.start();
  task = await insertTask(database, 'alice', 'held');
  await consumed(database);
});

afterAll(async () => {
  for (const app of apps) await app.close();
  await database.drop();
});

/** A request that touches the task, with what the device knows of the schema. */
function request(device: Device, endpoint: Endpoint, ids: SchemaIds): Promise<WireAnswer> {
  const change = {
    id: task,
    table_name: 'tasks',
    operation: 'update',
    data: { title: 'pushed' },
    client_updated_at: new Date().toISOString(),
    base_updated_at: null,
  };
  const body = {
    register: { platform: 'test', app_version: '1.0.0' },
    pull: { checkpoint: 1 },
    push: { changes: [change] },
    snapshot: { cursor: null },
  }[endpoint];
  return device.send(endpoint, {
    client_id: device.clientId,
    schema_version: ids.schema_version,
    schema_hash: ids.schema_hash,
    ...body,
  });
}

async function current(): Promise<SchemaIds> {
  const [answer] = await Promise.all(devices.map((device) => device.send('schema')));
  return answer?.json as unknown as SchemaResponse;
}

async function expectMismatch(answer: WireAnswer): Promise<void> {
  const { schema_version: version, schema_hash: hash } = await current();
  expect(answer, answer.text).toMatchObject({
    status: 409,
    json: {
      code: 'schema_mismatch',
      message: 'client schema does not match server schema',
      server_schema_version: version,
      server_schema_hash: hash,
    },
  });
}

describe('a live ALTER TABLE', () => {
  it.each(ENDPOINTS)(
    'is seen by the very next %s, in every instance [interleaving 25] [W-SCH-1]',
    async (endpoint) => {
      const before = await current();
      for (const device of devices)
        expect(await request(device, endpoint, before)).toMatchObject({ status: 200 });

      await database.query(`ALTER TABLE tasks ADD COLUMN ${endpoint}_note text NOT NULL DEFAULT ''`);
      for (const device of devices) await expectMismatch(await request(device, endpoint, before));
      const added = await current();
      expect(added.schema_version).toBeGreaterThan(before.schema_version);
      expect(added.schema_hash).not.toBe(before.schema_hash);
      for (const device of devices)
        expect(await request(device, endpoint, added)).toMatchObject({ status: 200 });

      await database.query(`ALTER TABLE tasks DROP COLUMN ${endpoint}_note`);
      for (const device of devices) await expectMismatch(await request(device, endpoint, added));
      const dropped = await current();
      expect(dropped, 'the schema is what it was').toMatchObject({
        schema_version: before.schema_version,
        schema_hash: before.schema_hash,
      });
      for (const device of devices)
        expect(await request(device, endpoint, dropped)).toMatchObject({ status: 200 });
    },
  );

  it('is found without a lock, so that no request waits for another [interleaving 25] [W-SCH-1]', async () => {
    const ids = await current();
    await withClient(database.url, async (client) => {
      await client.query('BEGIN');
      // What a version that is new to the manifest is given under, and what writers of it would need.
      await client.query('SELECT pg_advisory_xact_lock(91110042)');
      await client.query('LOCK TABLE sync_schema_manifest IN EXCLUSIVE MODE');
      for (const device of devices) {
        for (const endpoint of ENDPOINTS)
          expect(await request(device, endpoint, ids)).toMatchObject({ status: 200 });
        expect(await device.send('schema')).toMatchObject({ status: 200 });
      }
    });
  });

  it('is in the very next schema of every instance', async () => {
    await database.query('ALTER TABLE tasks ADD COLUMN weight double precision');
    for (const device of devices) {
      const { tables } = await device.schema();
      const columns = tables.find(({ table_name: name }) => name === 'tasks')?.columns ?? [];
      expect(columns.at(-1)).toMatchObject({ name: 'weight', logical_type: 'float', nullable: true });
    }
    await database.query('ALTER TABLE tasks DROP COLUMN weight');
  });

  it.each(['pull', 'push', 'snapshot'] as const)(
    'that commits in the middle of a %s makes it a mismatch, not a failure [interleaving 25]',
    async (endpoint) => {
      const [device] = devices;
      if (!device) throw new Error('no device');
      await database.query('ALTER TABLE tasks ADD COLUMN fleeting text');
      const before = await current();
      await retitle(database, task, `before ${endpoint}`);
      await consumed(database);

      let answer: Promise<WireAnswer> | undefined;
      await withClient(database.url, async (migration) => {
        await migration.query('BEGIN');
        await migration.query('ALTER TABLE tasks DROP COLUMN fleeting');
        // The request reads the schema as it still is, then waits for the table.
        answer = request(device, endpoint, before);
        await eventually(async () => {
          const waiting = await database.query(
            `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'relation'`,
          );
          return waiting.length === 1;
        });
        await migration.query('COMMIT');
      });
      if (answer) await expectMismatch(await answer);
    },
  );

  it('again and again during pulls, snapshots and pushes never makes one fail', async () => {
    const answers: { endpoint: Endpoint; status: number; text: string }[] = [];
    const altering = new AbortController();
    const load = devices.flatMap((device) =>
      (['pull', 'push', 'snapshot'] as const).map(async (endpoint) => {
        let ids = await current();
        while (!altering.signal.aborted) {
          const { status, text } = await request(device, endpoint, ids);
          answers.push({ endpoint, status, text });
          if (status === 409) ids = (await device.send('schema')).json as unknown as SchemaResponse;
        }
      }),
    );
    for (let round = 0; round < 15; round++) {
      await database.query(`ALTER TABLE tasks ADD COLUMN round_${round} text DEFAULT 'x'`);
      const seen = answers.length;
      await eventually(() => answers.length > seen + 6);
      await database.query(`ALTER TABLE tasks DROP COLUMN round_${round}`);
    }
    altering.abort();
    await Promise.all(load);
    expect(answers.filter(({ status }) => status !== 200 && status !== 409)).toEqual([]);
    for (const status of [200, 409]) expect(answers.map((answer) => answer.status)).toContain(status);
  });

  it('does not stop the consumer', async () => {
    await retitle(database, task, 'after all of it');
    await consumed(database);
    for (const device of devices) {
      await device.schema();
      await device.pull();
      expect(device.row('tasks', task)).toMatchObject({ title: 'after all of it' });
    }
  });
});

describe('sync tables that are restored from a backup', () => {
  it('have one version for a schema on all instances, also on those that knew another [W-HOST-90]', async () => {
    const [before] = await database.query<{ hash: string }>(
      `DELETE FROM sync_schema_manifest WHERE schema_hash = '${(await current()).schema_hash}' RETURNING schema_hash AS hash`,
    );
    expect(before).toBeDefined();
    // What was there at the time of the backup, under a version that was given once more meanwhile.
    await database.query(
      `INSERT INTO sync_schema_manifest (schema_version, schema_hash)
       SELECT coalesce(max(schema_version), 0) + 5, '${'f'.repeat(64)}' FROM sync_schema_manifest`,
    );
    const later = await startApp({ database, synchro: { replication: false } });
    try {
      const device = new Device(later.url, 'alice');
      await device.start();
      const ids = await device.schemaIds();
      for (const { url } of [...apps, later]) {
        const same = new Device(url, 'alice', device.clientId);
        expect(await same.schemaIds()).toEqual(ids);
        for (const endpoint of ENDPOINTS) {
          const answer = await request(same, endpoint, ids);
          expect(answer.status, answer.text).toBe(200);
        }
      }
    } finally {
      await later.close();
    }
  });
});
