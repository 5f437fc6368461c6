import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/database.js';
import type { Device } from '../support/device.js';
import type { RunningApp } from '../support/app.js';
import { twoDevices, type TwoDevices } from '../support/two-devices.js';
import { applied, startWalApp } from '../support/wal-app.js';

/** Devices write it; it has no delete time. */
@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  user_id!: string;

  @Column('text', { nullable: true })
  text!: string | null;

  @UpdateDateColumn({ type: 'timestamptz' })
  updated_at!: Date;
}

/** Devices read it; it has no times at all. */
@Entity('countries')
@SyncTable()
class Country {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;
}

/** Devices read it; its update time may be null. */
@Entity('cities')
@SyncTable()
class City {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @UpdateDateColumn({ type: 'timestamptz', nullable: true })
  updated_at!: Date | null;

  @DeleteDateColumn({ type: 'timestamptz' })
  deleted_at!: Date | null;
}

const BEFORE = randomUUID();

describe('tables without times', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;
  let tablet: Device;
  let arrive: TwoDevices['arrive'];

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(
      `CREATE TABLE notes (id uuid PRIMARY KEY, user_id text NOT NULL, text text, updated_at timestamptz NOT NULL DEFAULT now());
       CREATE TABLE countries (id uuid PRIMARY KEY, name text NOT NULL);
       CREATE TABLE cities (id uuid PRIMARY KEY, name text NOT NULL, updated_at timestamptz, deleted_at timestamptz)`,
    );
    await database.query(`INSERT INTO countries VALUES ($1, 'Before')`, [BEFORE]);
    app = await startWalApp(database, [Note, Country, City]);
    ({ phone, tablet, arrive } = await twoDevices(app, database));
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('the contract has the columns that devices need, the last ones, nullable [W-HOST-62]', async () => {
    const { tables } = await phone.schema();
    const notes = tables.find(({ table_name: name }) => name === 'notes');
    expect(notes).toMatchObject({ updated_at_column: 'updated_at', deleted_at_column: 'deleted_at' });
    expect(notes?.columns.at(-1)).toEqual({
      name: 'deleted_at',
      db_type: 'timestamp with time zone',
      logical_type: 'datetime',
      nullable: true,
      default_kind: 'none',
      is_primary_key: false,
    });
    const countries = tables.find(({ table_name: name }) => name === 'countries');
    expect(countries?.columns.map(({ name }) => name)).toEqual(['id', 'name', 'updated_at', 'deleted_at']);
  });

  it('the contract stays the same when a migration adds the column at last [W-HOST-63]', async () => {
    const before = await phone.schemaIds();
    await database.query('ALTER TABLE notes ADD COLUMN deleted_at timestamptz');
    const after = await phone.schema();
    await database.query('ALTER TABLE notes DROP COLUMN deleted_at');
    expect(after).toMatchObject(before);
    expect(await phone.schema()).toMatchObject(before);
  });

  it('a row that one device makes, changes and deletes does so on another', async () => {
    const id = phone.create('notes', { text: 'first' });
    await phone.sync();
    await arrive();
    expect(tablet.row('notes', id)).toMatchObject({ text: 'first', deleted_at: null });

    tablet.update('notes', id, { text: 'second' });
    await tablet.sync();
    await arrive();
    expect(phone.row('notes', id)).toMatchObject({ text: 'second' });

    phone.delete('notes', id);
    await phone.sync();
    await arrive();
    expect(tablet.row('notes', id)).toBeUndefined();
    expect(await database.query('SELECT FROM notes WHERE id = $1', [id])).toEqual([]);
  });

  it('a row that is deleted on both devices is deleted, and both go on', async () => {
    const id = phone.create('notes', { text: 'twice' });
    await phone.sync();
    await arrive();
    phone.delete('notes', id);
    tablet.delete('notes', id);
    await phone.sync();
    await tablet.sync();
    await arrive();
    expect([phone.row('notes', id), tablet.row('notes', id)]).toEqual([undefined, undefined]);
  });

  it('a row that is made anew under its old key comes back to every device [W-HOST-64]', async () => {
    const id = phone.create('notes', { text: 'old' });
    await phone.sync();
    await arrive();
    phone.delete('notes', id);
    await phone.sync();
    await arrive();
    phone.create('notes', { text: 'new' }, id);
    await phone.sync();
    await arrive();
    expect(phone.row('notes', id)).toMatchObject({ text: 'new' });
    expect(tablet.row('notes', id)).toMatchObject({ text: 'new' });

    await database.query('DELETE FROM notes WHERE id = $1', [id]);
    await arrive();
    expect(tablet.row('notes', id)).toBeUndefined();
    // As an import makes it anew, with the time that it had where it comes from.
    await database.query(`INSERT INTO notes VALUES ($1, 'alice', 'imported', '2001-01-01')`, [id]);
    await arrive();
    expect(phone.row('notes', id)).toMatchObject({ text: 'imported' });
    expect(tablet.row('notes', id)).toMatchObject({ text: 'imported' });
  });

  it('a row that is deleted and put back as it was comes back to every device [W-HOST-64]', async () => {
    const id = randomUUID();
    await database.query(`INSERT INTO notes VALUES ($1, 'alice', 'kept', clock_timestamp())`, [id]);
    const [kept] = await database.query('SELECT *, updated_at::text FROM notes WHERE id = $1', [id]);
    await arrive();
    await database.query('DELETE FROM notes WHERE id = $1', [id]);
    await arrive();
    expect(phone.row('notes', id)).toBeUndefined();
    await database.query('INSERT INTO notes SELECT * FROM json_populate_record(NULL::notes, $1)', [
      JSON.stringify(kept),
    ]);
    await arrive();
    expect([phone.row('notes', id), tablet.row('notes', id)]).toMatchObject([
      { text: 'kept' },
      { text: 'kept' },
    ]);
  });

  it('rows of a table without times are served with the time of their commit [W-HOST-65]', async () => {
    const id = randomUUID();
    const started = Date.now();
    await database.query(`INSERT INTO countries VALUES ($1, 'First')`, [id]);
    await applied(database);
    const [{ changes } = { changes: [] }] = await phone.pull();
    const record = changes.find((change) => change.id === id);
    expect(record?.data).toEqual({ id, name: 'First', updated_at: null, deleted_at: null });
    expect(Date.parse(record?.updated_at ?? '')).toBeGreaterThanOrEqual(started - 1);
    expect(Date.parse(record?.updated_at ?? '')).toBeLessThanOrEqual(Date.now());

    const [page] = await tablet.snapshot();
    const times = new Map(page?.records.map((each) => [each.id, each.updated_at]));
    expect(times.get(id)).toBe(record?.updated_at);
    expect(Date.parse(times.get(BEFORE) ?? '')).toBeGreaterThan(started - 600_000);
  });

  it('each change of such a row reaches each device, and so does its end [W-HOST-66]', async () => {
    const [country, city] = [randomUUID(), randomUUID()];
    await database.query(`INSERT INTO countries VALUES ($1, 'One')`, [country]);
    await database.query(`INSERT INTO cities (id, name) VALUES ($1, 'One')`, [city]);
    for (const name of ['Two', 'Three', 'Four']) {
      await database.query('UPDATE countries SET name = $2 WHERE id = $1', [country, name]);
      await database.query('UPDATE cities SET name = $2 WHERE id = $1', [city, name]);
      await arrive();
      for (const device of [phone, tablet]) {
        expect(device.row('countries', country)).toMatchObject({ name });
        expect(device.row('cities', city)).toMatchObject({ name });
      }
    }
    // Times that are behind that of the commits, and behind each other.
    for (const [name, time] of [
      ['Five', '2001-01-01'],
      ['Six', '2000-01-01'],
    ]) {
      await database.query('UPDATE cities SET name = $2, updated_at = $3 WHERE id = $1', [city, name, time]);
      await arrive();
      for (const device of [phone, tablet]) expect(device.row('cities', city)).toMatchObject({ name });
    }
    await database.query('DELETE FROM countries WHERE id = $1', [country]);
    await database.query('UPDATE cities SET deleted_at = now() WHERE id = $1', [city]);
    await arrive();
    for (const device of [phone, tablet]) {
      expect(device.row('countries', country)).toBeUndefined();
      expect(device.row('cities', city)).toBeUndefined();
    }
  });
});
