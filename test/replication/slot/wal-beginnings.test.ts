import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SynchroError } from '../../../lib/common/errors.js';
import { SyncStatus } from '../../../lib/index.js';
import { PgoutputDecoder } from '../../../lib/replication/stream/pgoutput.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, logOf, startWalApp, storedPosition, SyncedRow } from '../../support/wal-app.js';
import { Task, TASKS_SQL } from '../../support/wal-tasks.js';

@Entity('albums')
@SyncTable({ ownerColumn: 'user_id' })
class Album extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('zebras')
@SyncTable({ ownerColumn: 'user_id' })
class Zebra extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

let database: TestDatabase;
const apps: RunningApp[] = [];

beforeEach(async () => {
  database = await createDatabase();
  await database.query(TASKS_SQL);
  for (const table of ['albums', 'zebras'])
    await database.query(createTableSql(table, 'user_id text NOT NULL'));
});

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
  await database.drop();
});

async function start(entities: Parameters<typeof startWalApp>[1] = [Task]): Promise<RunningApp> {
  const app = await startWalApp(database, entities);
  apps.push(app);
  return app;
}

async function insert(table: string, count: number, user = 'alice'): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await database.query(`INSERT INTO ${table} (id, user_id) SELECT unnest($1::uuid[]), $2`, [ids, user]);
  return ids;
}

describe('rows that were there before the first start', () => {
  it('go from their former owner and come to the new one, and go when they are deleted [W-SNAP-7]', async () => {
    const [moved, deleted] = await insert('tasks', 2);
    const app = await start();
    const [alice, bob] = [new Device(app.url, 'alice'), new Device(app.url, 'bob')];
    for (const device of [alice, bob]) await device.start();
    expect(alice.rows('tasks').size).toBe(2);
    await database.query(`UPDATE tasks SET user_id = 'bob' WHERE id = $1`, [moved]);
    await database.query('DELETE FROM tasks WHERE id = $1', [deleted]);
    await applied(database);
    for (const device of [alice, bob]) await device.pull();
    expect(alice.rows('tasks').size).toBe(0);
    expect([...bob.rows('tasks').keys()]).toEqual([moved]);
    expect(alice.snapshotReasons).toEqual([]);
  });

  it('are all there where the slot was made by hand, and written to since [W-WAL-3]', async () => {
    const [before] = await insert('tasks', 1);
    await database.query("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", [database.slotName]);
    const [since] = await insert('tasks', 1);
    await database.query(`UPDATE tasks SET title = 'changed since' WHERE id = $1`, [before]);
    const app = await start();
    const later = await insert('tasks', 1);
    await applied(database);
    const device = new Device(app.url, 'alice');
    await device.start();
    expect(new Set(device.rows('tasks').keys())).toEqual(new Set([before, since, ...later]));
    expect(device.row('tasks', before ?? '')).toMatchObject({ title: 'changed since' });
  });

  it('are in a snapshot whose first page fixes its checkpoint, though the log is still empty [W-SNAP-2]', async () => {
    const ids = (await insert('tasks', 4)).toSorted();
    const app = await start();
    expect(await database.query('SELECT FROM sync_changelog')).toEqual([]);
    const device = new Device(app.url, 'alice', randomUUID(), { pageSize: 2 });
    await device.schema();
    await device.register();
    const first = await device.snapshotPage();
    for (const record of first.records) device.store.replace(record);
    await database.query(`UPDATE tasks SET title = 'changed', updated_at = now() WHERE id = $1`, [ids[0]]);
    await database.query('DELETE FROM tasks WHERE id = $1', [ids[1]]);
    await applied(database);
    expect(BigInt((await storedPosition(database)).last_seq)).toBeGreaterThan(BigInt(first.checkpoint));
    for (let page = first; page.has_more;) {
      page = await device.snapshotPage({ cursor: page.cursor });
      expect(page.checkpoint).toBe(first.checkpoint);
      for (const record of page.records) device.store.replace(record);
    }
    device.checkpoint = first.checkpoint;
    await device.pull();
    expect(device.snapshotReasons).toEqual([]);
    expect([...device.rows('tasks').keys()].toSorted()).toEqual([ids[0], ...ids.slice(2)]);
    expect(device.row('tasks', ids[0] ?? '')).toMatchObject({ title: 'changed' });
  });
});

it('a snapshot goes on where it was in a version that lists its tables otherwise, and has more [W-SNAP-5]', async () => {
  const [tasks, zebras] = [await insert('tasks', 3), await insert('zebras', 3)];
  const former = await start([Zebra, Task]);
  const device = new Device(former.url, 'alice', randomUUID(), { pageSize: 4 });
  await device.schema();
  await device.register();
  const first = await device.snapshotPage();
  expect(first.records.map(({ id }) => id)).toEqual([...tasks.toSorted(), zebras.toSorted()[0]]);
  await former.close();

  const next = await start([Album, Task, Zebra]);
  const updated = new Device(next.url, 'alice', device.clientId, { pageSize: 4 });
  const second = await updated.snapshotPage({ cursor: first.cursor });
  expect(second.records.map(({ id }) => id)).toEqual(zebras.toSorted().slice(1));
  expect(second.has_more).toBe(false);
});

describe('the consumer', () => {
  it('stops at what it can not decode, acknowledges nothing of it, and goes on once it can [W-WAL-6]', async () => {
    const app = await start();
    await applied(database);
    let undecodable = 0;
    const decode = Reflect.get(PgoutputDecoder.prototype, 'decode');
    const broken = vi.spyOn(PgoutputDecoder.prototype, 'decode').mockImplementation(function (
      this: PgoutputDecoder,
      message,
      start,
    ) {
      if (!message.includes('unreadable')) return decode.call(this, message, start);
      undecodable++;
      throw new SynchroError('decode_failed', 'of the test');
    });
    const ids = await insert('tasks', 3);
    try {
      const [{ lsn } = { lsn: '' }] = await database.query<{ lsn: string }>(
        'SELECT pg_current_wal_insert_lsn()::text AS lsn',
      );
      await database.query(`UPDATE tasks SET title = 'unreadable' WHERE id = $1`, [ids[1]]);
      const later = await insert('tasks', 1);
      await eventually(() => undecodable > 2);
      expect((await app.app.get(SyncStatus).read()).consumer).toMatchObject({ state: 'failing' });
      for (const id of ids) expect(await logOf(database, 'tasks', id)).toEqual(['create user:alice']);
      expect(await edgesOf(database, 'tasks', later[0] ?? '')).toEqual([]);
      const [slot] = await database.query(
        'SELECT confirmed_flush_lsn <= $2 AS behind FROM pg_replication_slots WHERE slot_name = $1',
        [database.slotName, lsn],
      );
      expect(slot).toEqual({ behind: true });
    } finally {
      broken.mockRestore();
    }
    await applied(database);
    expect(await logOf(database, 'tasks', ids[1] ?? '')).toEqual(['create user:alice', 'update user:alice']);
  });

  it('takes as many statements for a transaction of eight hundred rows as for one of ten [W-WAL-16]', async () => {
    const query = vi.spyOn(Client.prototype, 'query');
    const statements = (): number =>
      query.mock.contexts.filter((client) => nameOf(client) === 'nestjs-synchro').length;
    try {
      await start();
      await applied(database);
      const costs: number[] = [];
      for (const count of [10, 800]) {
        const before = statements();
        const ids = await insert('tasks', count);
        await applied(database);
        costs.push(statements() - before);
        expect(await edgesOf(database, 'tasks', ids.at(-1) ?? '')).toEqual(['user:alice']);
        expect(await logOf(database, 'tasks', ids[0] ?? '')).toEqual(['create user:alice']);
      }
      const [few = 0, many = 0] = costs;
      expect(few).toBeGreaterThan(3);
      // What it does beside, now and then.
      expect(many).toBeLessThan(few + 40);
    } finally {
      query.mockRestore();
    }
  });
});

/** What a connection calls itself. */
function nameOf(client: unknown): unknown {
  return (client as { connectionParameters?: { application_name?: string } }).connectionParameters
    ?.application_name;
}
