import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
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
}

/** Nothing of it can be changed: its parent's key stays as it was created. */
@Entity('chairs')
@SyncTable({ parent: () => Room, parentFkColumn: 'room_id' })
class Chair extends SyncedRow {
  @Column('uuid', { name: 'room_id' })
  roomId!: string;
}

@Entity('notices')
@SyncTable({ pushPolicy: 'disabled' })
class Notice extends SyncedRow {
  @Column('text')
  text!: string;
}

const [ROOM, OTHER, CHAIR, NOTICE] = [1, 2, 3, 4].map(() => randomUUID()) as [string, string, string, string];
let database: TestDatabase;
let app: RunningApp;
let alice: Device;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(createTableSql('rooms', 'user_id text NOT NULL'));
  await database.query(createTableSql('chairs', 'room_id uuid NOT NULL REFERENCES rooms'));
  await database.query(createTableSql('notices', 'text text NOT NULL'));
  app = await startWalApp(database, [Room, Chair, Notice]);
  alice = new Device(app.url, 'alice');
  await database.query(`INSERT INTO rooms (id, user_id) SELECT unnest($1::uuid[]), 'alice'`, [[ROOM, OTHER]]);
  await database.query('INSERT INTO chairs (id, room_id) VALUES ($1, $2)', [CHAIR, ROOM]);
  await database.query(`INSERT INTO notices (id, text) VALUES ($1, 'as it is')`, [NOTICE]);
  await applied(database);
  await alice.start();
});

afterAll(async () => {
  await app?.close();
  await database?.drop();
});

async function syncTwice(): Promise<void> {
  await alice.sync();
  await tasksDone(database);
  await alice.pull();
}

it('a device takes back what it did to rows that no device may write', async () => {
  alice.update('notices', NOTICE, { text: 'as a device would have it' });
  await syncTwice();
  expect(alice.row('notices', NOTICE)).toMatchObject({ text: 'as it is' });
  alice.delete('notices', NOTICE);
  await syncTwice();
  expect(alice.row('notices', NOTICE)).toMatchObject({ text: 'as it is' });
});

it('a device takes back what it did to columns that can not be changed, though nothing else is written', async () => {
  alice.update('chairs', CHAIR, { room_id: OTHER });
  await syncTwice();
  expect(alice.row('chairs', CHAIR)).toMatchObject({ room_id: ROOM });
});

it('an id without a record is not redelivered', async () => {
  const sent = ['no uuid', randomUUID()].map((id) => ({
    id,
    table_name: 'notices',
    operation: 'update' as const,
    data: { text: 'of nothing' },
  }));
  await alice.push(sent);
  await tasksDone(database);
  expect((await alice.pullPage()).changes).toEqual([]);
});
