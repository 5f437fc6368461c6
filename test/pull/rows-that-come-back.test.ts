import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import type { Device } from '../support/device.js';
import { createTableSql } from '../support/schema-fixtures.js';
import { twoDevices, type TwoDevices } from '../support/two-devices.js';
import { eventually } from '../support/wait.js';
import { startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('lists')
@SyncTable({ ownerColumn: 'user_id' })
class List extends SyncedRow {
  @Column('text', { nullable: true })
  user_id!: string | null;
}

@Entity('items')
@SyncTable<Item>({ parent: () => List, parentFkColumn: 'list_id' })
class Item extends SyncedRow {
  @Column('uuid')
  list_id!: string;
}

/** A list of Alice's with an item, on her phone. */
interface Held {
  readonly list: string;
  readonly item: string;
  /** Inserts both as they were, each in a transaction of its own. */
  readonly putBack: () => Promise<void>;
}

// Devices skip a row whose time did not grow, also where they have deleted it.
describe.each([
  ['the present', '0'],
  ["ahead of the database server's clock", '5 s'],
])('a row of lately that goes and comes back, its time being %s', (_, ahead) => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;
  let tablet: Device;
  let arrive: TwoDevices['arrive'];

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('lists', 'user_id text'));
    await database.query(createTableSql('items', 'list_id uuid NOT NULL REFERENCES lists ON DELETE CASCADE'));
    app = await startWalApp(database, [List, Item]);
    ({ phone, tablet, arrive } = await twoDevices(app, database));
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function insert(list: string, after: string): Promise<void> {
    await database.query(
      `INSERT INTO lists (id, user_id, updated_at) VALUES ($1, 'alice', clock_timestamp() + $2::interval)`,
      [list, after],
    );
  }

  async function hold(): Promise<Held> {
    const [list, item] = [randomUUID(), randomUUID()];
    await insert(list, ahead);
    await database.query(
      'INSERT INTO items (id, list_id, updated_at) VALUES ($1, $2, clock_timestamp() + $3::interval)',
      [item, list, ahead],
    );
    await expectBoth({ list, item });
    const rows = new Map<string, string>();
    for (const [table, id] of [
      ['lists', list],
      ['items', item],
    ] as const) {
      const [row] = await database.query(`SELECT *, updated_at::text FROM ${table} WHERE id = $1`, [id]);
      rows.set(table, JSON.stringify(row));
    }
    const putBack = async (): Promise<void> => {
      for (const [table, row] of rows)
        await database.query(`INSERT INTO ${table} SELECT * FROM json_populate_record(NULL::${table}, $1)`, [
          row,
        ]);
    };
    return { list, item, putBack };
  }

  async function expectBoth({ list, item }: Pick<Held, 'list' | 'item'>): Promise<void> {
    await arrive();
    expect(phone.row('lists', list)).toBeDefined();
    expect(phone.row('items', item)).toBeDefined();
  }

  async function expectNone({ list, item }: Held): Promise<void> {
    await arrive();
    expect([phone.row('lists', list), phone.row('items', item)]).toEqual([undefined, undefined]);
  }

  it('is shown when it was deleted and is put back as it was [W-HOST-64]', async () => {
    const held = await hold();
    await database.query('DELETE FROM lists WHERE id = $1', [held.list]);
    await expectNone(held);
    await held.putBack();
    await expectBoth(held);
  });

  it('is shown when it was deleted and is made anew [W-HOST-64]', async () => {
    const held = await hold();
    await database.query('DELETE FROM lists WHERE id = $1', [held.list]);
    await expectNone(held);
    await insert(held.list, '0');
    await arrive();
    expect(phone.row('lists', held.list)).toBeDefined();
  });

  it('is shown when its table was truncated and is loaded again [W-HOST-96]', async () => {
    const held = await hold();
    await database.query('TRUNCATE lists CASCADE');
    await expectNone(held);
    await held.putBack();
    await expectBoth(held);
  });

  it('is shown when its table is replaced in one transaction [W-HOST-96]', async () => {
    const held = await hold();
    await database.query(
      `BEGIN;
       CREATE TEMPORARY TABLE old_lists ON COMMIT DROP AS SELECT * FROM lists;
       CREATE TEMPORARY TABLE old_items ON COMMIT DROP AS SELECT * FROM items;
       TRUNCATE lists CASCADE;
       INSERT INTO lists SELECT * FROM old_lists;
       INSERT INTO items SELECT * FROM old_items;
       COMMIT`,
    );
    await expectBoth(held);
  });

  it('is shown when it left all buckets and is its former user’s again [W-HOST-97]', async () => {
    const held = await hold();
    await database.query('UPDATE lists SET user_id = NULL WHERE id = $1', [held.list]);
    await expectNone(held);
    await database.query(`UPDATE lists SET user_id = 'alice' WHERE id = $1`, [held.list]);
    await expectBoth(held);
  });

  it('is shown when its key changed and changes back [W-HOST-97]', async () => {
    const { item } = await hold();
    const other = randomUUID();
    await database.query('UPDATE items SET id = $2 WHERE id = $1', [item, other]);
    await arrive();
    expect(phone.row('items', item)).toBeUndefined();
    await database.query('UPDATE items SET id = $1 WHERE id = $2', [item, other]);
    await arrive();
    expect(phone.row('items', item)).toBeDefined();
  });

  it('is shown when the consumer began anew meanwhile [W-HOST-98]', async () => {
    const held = await hold();
    await database.query('DELETE FROM lists WHERE id = $1', [held.list]);
    await expectNone(held);
    const pid = await consumerPid();
    await database.query('SELECT pg_terminate_backend($1)', [pid]);
    await eventually(async () => ![null, pid].includes(await consumerPid()));
    await held.putBack();
    await expectBoth(held);
  });

  async function consumerPid(): Promise<number | null> {
    const [slot] = await database.query<{ pid: number | null }>(
      'SELECT active_pid AS pid FROM pg_replication_slots WHERE slot_name = $1',
      [database.slotName],
    );
    return slot?.pid ?? null;
  }

  // Of a clock that is ahead another instance knows nothing.
  it.runIf(ahead === '0')('is shown when another instance took over meanwhile [W-HOST-98]', async () => {
    const held = await hold();
    await database.query('DELETE FROM lists WHERE id = $1', [held.list]);
    await expectNone(held);
    await app.close();
    app = await startWalApp(database, [List, Item]);
    phone.url = app.url;
    tablet.url = app.url;
    await held.putBack();
    await expectBoth(held);
  });
});
