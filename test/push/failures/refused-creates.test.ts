import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings, type SynchroSettings } from '../../../lib/settings/synchro.settings.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { tasksDone } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('rooms')
@SyncTable({ ownerColumn: 'user_id' })
class Room extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('integer', { nullable: true })
  seats!: number | null;
}

@Entity('chairs')
@SyncTable({ parent: () => Room, parentFkColumn: 'room_id' })
class Chair extends SyncedRow {
  @Column('uuid', { name: 'room_id' })
  roomId!: string;
}

@Entity('notices')
@SyncTable({ pushPolicy: 'disabled' })
class Notice extends SyncedRow {}

/** An app with what refuses a create, and a device. */
async function start(refusedCreates?: 'keep' | 'remove'): Promise<{
  readonly database: TestDatabase;
  readonly app: RunningApp;
  readonly phone: Device;
}> {
  const database = await createDatabase();
  await database.query(createTableSql('rooms', 'user_id text NOT NULL, seats integer CHECK (seats < 10)'));
  await database.query(createTableSql('chairs', 'room_id uuid NOT NULL REFERENCES rooms'));
  await database.query(createTableSql('notices'));
  const app = await startWalApp(database, [Room, Chair, Notice], refusedCreates && { refusedCreates });
  const phone = new Device(app.url, 'alice');
  await phone.start();
  return { database, app, phone };
}

describe.each([
  ['stays on its device, as it was typed', undefined],
  ['stays on its device when the host says so', 'keep'],
  ['is deleted on its device by the next pull', 'remove'],
] as const)('a create that is refused for good [W-SDK-5] %s', (_, refusedCreates) => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;
  const theirs = randomUUID();

  beforeAll(async () => {
    ({ database, app, phone } = await start(refusedCreates));
    await database.query(`INSERT INTO rooms (id, user_id) VALUES ($1, 'bob')`, [theirs]);
    await applied(database);
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function expectRefused(table: string, id: string, reason: string): Promise<void> {
    const { accepted, rejected } = await phone.push(phone.store.pending(10));
    expect(rejected).toMatchObject([{ id, status: 'rejected_terminal', reason_code: reason }]);
    expect(rejected[0]).not.toHaveProperty('server_version');
    await tasksDone(database);
    await phone.pull();
    expect(phone.rows(table).has(id)).toBe(refusedCreates !== 'remove');
    for (const each of accepted) expect(phone.rows(each.table_name).has(each.id)).toBe(true);
    expect(phone.store.pendingCount).toBe(0);
  }

  it('by a constraint, and its neighbour is there', async () => {
    const [bad, good] = [randomUUID(), randomUUID()];
    phone.create('rooms', { seats: 11 }, bad);
    phone.create('rooms', { seats: 9 }, good);
    await expectRefused('rooms', bad, 'create_failed');
    expect(phone.row('rooms', good)).toMatchObject({ seats: 9 });
  });

  it('since no device may write there', async () => {
    const id = randomUUID();
    phone.create('notices', {}, id);
    await expectRefused('notices', id, 'table_read_only');
  });

  it("since the id is another user's", async () => {
    phone.create('rooms', { seats: 1 }, theirs);
    await expectRefused('rooms', theirs, 'ownership_violation');
    expect(await database.query('SELECT user_id FROM rooms WHERE id = $1', [theirs])).toEqual([
      { user_id: 'bob' },
    ]);
  });

  it("since the parent is another user's", async () => {
    const id = randomUUID();
    phone.create('chairs', { room_id: theirs }, id);
    await expectRefused('chairs', id, 'parent_missing');
  });

  it('since the id is none', async () => {
    phone.create('rooms', { seats: 1 }, 'no uuid');
    await expectRefused('rooms', 'no uuid', 'invalid_data');
  });

  it('under an id in capitals', async () => {
    const id = randomUUID().toUpperCase();
    phone.create('rooms', { seats: 12 }, id);
    await expectRefused('rooms', id, 'create_failed');
  });

  it('and is made once more, corrected', async () => {
    const id = randomUUID();
    phone.create('rooms', { seats: 12 }, id);
    await expectRefused('rooms', id, 'create_failed');
    phone.create('rooms', { seats: 2 }, id);
    await phone.sync();
    await applied(database);
    await phone.sync();
    expect(phone.row('rooms', id)).toMatchObject({ seats: 2 });
  });
});

function given(refusedCreates: unknown): () => SynchroSettings {
  return () => readSettings({ userId: () => 'alice', refusedCreates: refusedCreates as 'keep' });
}

describe('a create that is refused for good, removed [W-SDK-5],', () => {
  it('reaches its device alone, and never deletes a row that the user sees', async () => {
    const { database, app, phone } = await start('remove');
    try {
      const tablet = new Device(app.url, 'alice');
      await tablet.start();
      const [refused, seen] = [randomUUID(), randomUUID()];
      await database.query('INSERT INTO notices (id) VALUES ($1)', [seen]);
      await applied(database);
      await phone.push([
        { id: refused, table_name: 'rooms', operation: 'create', data: { seats: 20 } },
        { id: seen, table_name: 'notices', operation: 'create', data: {} },
        { id: randomUUID(), table_name: 'nowhere', operation: 'create', data: {} },
        { id: 'a\u0000b', table_name: 'rooms', operation: 'create', data: {} },
        { id: '', table_name: 'rooms', operation: 'create', data: {} },
      ]);
      await tasksDone(database);
      const [pages, others] = [await phone.pull(), await tablet.pull()];
      expect(pages.flatMap(({ deletes }) => deletes)).toEqual([{ id: refused, table_name: 'rooms' }]);
      expect(others.flatMap(({ deletes }) => deletes)).toEqual([]);
      expect([...phone.rows('notices').keys()]).toEqual([seen]);
    } finally {
      await app.close();
      await database.drop();
    }
  });

  it('by an option that is one of two words', () => {
    for (const value of ['drop', '', null, true]) {
      expect(given(value)).toThrow(
        expect.objectContaining({
          code: 'configuration_invalid',
          message: expect.stringContaining(JSON.stringify(value)),
        }),
      );
    }
    expect(given(undefined)().refusedCreates).toBe('keep');
  });
});
