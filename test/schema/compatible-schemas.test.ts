import { randomUUID } from 'node:crypto';
import { SyncEngine, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCompatible } from '../../lib/schema/schema-gate.js';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';
import type { PushChange, SchemaIds, WireAnswer } from '../support/wire.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
class Task extends SyncedRow {
  @Column('text')
  user_id!: string;

  @Column('text')
  title!: string;
}

const ENDPOINTS = ['register', 'pull', 'push', 'snapshot'] as const;

let database: TestDatabase;
/** The consumer, which knows one schema alone. */
let strict: RunningApp;
let lenient: RunningApp;
let older: SchemaIds;
let newer: SchemaIds;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(createTableSql('tasks', 'user_id text NOT NULL, title text NOT NULL'));
  strict = await startWalApp(database, [Task]);
  older = await currentIds();
  await database.query('ALTER TABLE tasks ADD COLUMN priority int NOT NULL DEFAULT 3');
  newer = await currentIds();
  lenient = await startWalApp(database, [Task], {
    replication: false,
    schema: { compatibleHashes: [older.schema_hash] },
  });
});

afterAll(async () => {
  await lenient.close();
  await strict.close();
  await database.drop();
});

async function currentIds(): Promise<SchemaIds> {
  const { schema_version, schema_hash } = await new Device(strict.url, 'alice').schema();
  return { schema_version, schema_hash };
}

/** A device whose app still has the schema of before, which it was given while that was in force. */
async function olderDevice(url = lenient.url): Promise<Device> {
  const device = new Device(url, 'alice');
  await device.schema();
  device.schemaIds = () => Promise.resolve(older);
  return device;
}

/** The app's update: the device reads the schema again. */
async function upgrade(device: Device): Promise<void> {
  await device.schema();
  device.schemaIds = () => Promise.resolve(newer);
  await device.register();
}

function ask(device: Device, endpoint: (typeof ENDPOINTS)[number], ids: SchemaIds): Promise<WireAnswer> {
  return device.send(endpoint, {
    client_id: device.clientId,
    platform: 'test',
    app_version: '1.0.0',
    checkpoint: 0,
    changes: [],
    ...ids,
  });
}

function change(operation: 'create' | 'update', id: string, title: string): PushChange {
  const data = { id, user_id: 'alice', title };
  return { id, table_name: 'tasks', operation, data, base_updated_at: null };
}

async function priorityOf(title: string): Promise<unknown> {
  const [row] = await database.query('SELECT priority FROM tasks WHERE title = $1', [title]);
  return row?.['priority'];
}

describe('a client of an older schema', () => {
  it.each(ENDPOINTS)(
    'passes %s where the schema is declared compatible, and nowhere else [W-SCH-5]',
    async (endpoint) => {
      const device = await olderDevice();
      await device.register();
      const answer = await ask(device, endpoint, older);
      expect(answer, answer.text).toMatchObject({ status: 200 });
      expect(answer.json, 'under the names that it asked with').toMatchObject({
        schema_version: older.schema_version,
        schema_hash: older.schema_hash,
      });
      for (const [url, ids] of [
        [strict.url, older],
        [lenient.url, { ...older, schema_hash: 'a'.repeat(64) }],
        [lenient.url, { ...older, schema_version: 0 }],
      ] as const) {
        device.url = url;
        expect(await ask(device, endpoint, ids)).toMatchObject({
          status: 409,
          json: { server_schema_version: newer.schema_version, server_schema_hash: newer.schema_hash },
        });
      }
    },
  );

  it.each(['pull', 'push'] as const)(
    '[scenarios 106, 107] that knows none at all is refused by %s, though it is registered',
    async (endpoint) => {
      const device = new Device(lenient.url, 'alice');
      await device.register();
      const none = { schema_version: 0, schema_hash: '' };
      expect(await ask(device, endpoint, none)).toMatchObject({
        status: 409,
        json: { code: 'schema_mismatch' },
      });
      expect(await ask(device, 'register', none), 'which is how it begins').toMatchObject({ status: 200 });
    },
  );

  it('reads the current schema when it asks for it', async () => {
    expect(newer.schema_hash).not.toBe(older.schema_hash);
    expect(await (await olderDevice()).schema()).toMatchObject({ schema_hash: newer.schema_hash });
  });

  it('leaves alone what it does not know: an update keeps it, a create takes the default [W-SCH-5]', async () => {
    const id = randomUUID();
    await database.query(
      `INSERT INTO tasks (id, user_id, title, priority) VALUES ($1, 'alice', 'given', 7)`,
      [id],
    );
    await applied(database);
    const device = await olderDevice();
    await device.register();
    await device.snapshot();
    const later = new Date(Date.now() + 1_000).toISOString();
    const { accepted, rejected } = await device.push([
      { ...change('update', id, 'changed'), client_updated_at: later },
      change('create', randomUUID(), 'made'),
    ]);
    expect([accepted.length, rejected.length]).toEqual([2, 0]);
    expect(await priorityOf('changed')).toBe(7);
    expect(await priorityOf('made')).toBe(3);
  });

  it('takes one snapshot when it has the current one, for what it ignored before', async () => {
    const device = await olderDevice();
    await device.register();
    await device.snapshot();
    await device.pull();
    expect(device.snapshotReasons, 'not before').toEqual([]);
    await upgrade(device);
    await device.pull();
    await device.pull();
    expect(device.snapshotReasons).toEqual(['history_unavailable']);
  });

  it('also when its snapshot was of the current schema, and only pulls were not', async () => {
    const device = new Device(lenient.url, 'alice');
    await device.start();
    device.schemaIds = () => Promise.resolve(older);
    await device.pull();
    await device.pull();
    expect(device.snapshotReasons, 'it goes on').toEqual([]);
    await upgrade(device);
    await device.pull();
    expect(device.snapshotReasons).toEqual(['history_unavailable']);
  });

  it('without any snapshot still needs one [W-PULL-8]', async () => {
    const device = await olderDevice();
    await device.register();
    const page = await device.pullPage({ checkpoint: 1 });
    expect(page).toMatchObject({ snapshot_required: true, snapshot_reason: 'history_unavailable' });
  });
});

describe('a column that came NOT NULL without a default', () => {
  it('keeps its value when a device that migrated sends none [W-SCH-7]', async () => {
    const id = randomUUID();
    await database.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, 'alice', 'coded')`, [id]);
    await database.query('ALTER TABLE tasks ADD COLUMN code text');
    await database.query(`UPDATE tasks SET code = 'c1'`);
    await database.query('ALTER TABLE tasks ALTER COLUMN code SET NOT NULL');
    const device = new Device(strict.url, 'alice');
    const { tables } = await device.schema();
    const code = tables
      .find(({ table_name: name }) => name === 'tasks')
      ?.columns.find(({ name }) => name === 'code');
    expect(code).toMatchObject({ nullable: true, default_kind: 'none' });
    await device.register();
    const { accepted, rejected } = await device.push([
      {
        id,
        table_name: 'tasks',
        operation: 'update',
        data: { id, user_id: 'alice', title: 'coded again', priority: 3, code: null },
        client_updated_at: new Date(Date.now() + 1_000).toISOString(),
      },
    ]);
    expect([accepted.length, rejected.length]).toEqual([1, 0]);
    expect(await database.query('SELECT title, code FROM tasks WHERE id = $1', [id])).toEqual([
      { title: 'coded again', code: 'c1' },
    ]);
  });
});

it('SyncEngine.schemaHistory lists the schemas, newest first', async () => {
  const engine = strict.app.get(SyncEngine);
  const all = await engine.schemaHistory();
  const hashes = all.map(({ hash }) => hash);
  expect(hashes.indexOf(newer.schema_hash)).toBeLessThan(hashes.indexOf(older.schema_hash));
  expect(all.map(({ version }) => version)).toEqual(
    all.map(({ version }) => version).toSorted((a, b) => Number(b) - Number(a)),
  );
  await expect(engine.schemaHistory(1)).resolves.toEqual(all.slice(0, 1));
  for (const limit of [0, -5]) await expect(engine.schemaHistory(limit)).resolves.toEqual(all);
});

it('a compatible schema is named by its hash, and has a version', () => {
  expect(isCompatible({ version: 2n, hash: 'x' }, ['x'])).toBe(true);
  expect(isCompatible({ version: 0n, hash: 'x' }, ['x'])).toBe(false);
  expect(isCompatible({ version: 2n, hash: 'y' }, ['x'])).toBe(false);
  expect(isCompatible({ version: 2n, hash: 'x' }, [])).toBe(false);
});
