import { SyncTable } from 'nestjs-synchro';
import { Column, DataSource, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('events')
@SyncTable({ ownerColumn: 'user_id' })
class Event extends SyncedRow {
  @Column('text')
  user_id!: string;

  @Column('timestamp')
  at!: Date;
}

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(`CREATE TABLE events (id uuid PRIMARY KEY, user_id text NOT NULL, at timestamp,
    updated_at timestamp NOT NULL, deleted_at timestamp)`);
  // Of every session that is opened from now on: the app's pool, the consumer's, and the test's own.
  await database.query(`ALTER DATABASE ${database.name} SET TimeZone = 'Asia/Tokyo'`);
  app = await startWalApp(database, [Event]);
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

describe('a timestamp without time zone is UTC, though the sessions are in Tokyo', () => {
  it('on its way from a device, whatever the zone that the device writes [W-DATA-5]', async () => {
    const device = new Device(app.url, 'alice');
    await device.start();
    const ids = [
      device.create('events', { user_id: 'alice', at: '2024-01-01T12:00:00.000Z' }),
      device.create('events', { user_id: 'alice', at: '2024-01-01T14:00:00+02:00' }),
      device.create('events', { user_id: 'alice', at: '2024-01-01 12:00:00' }),
    ];
    await device.sync();
    const rows = await database.query<{ at: string; skew: number }>(
      `SELECT at::text, abs(extract(epoch FROM updated_at - clock_timestamp() AT TIME ZONE 'UTC'))::float8 AS skew
         FROM events WHERE id = ANY($1)`,
      [ids],
    );
    expect(rows.map(({ at }) => at)).toEqual(Array.from({ length: 3 }, () => '2024-01-01 12:00:00'));
    for (const { skew } of rows) expect(skew, 'seconds, not nine hours').toBeLessThan(600);
  });

  it('on its way to a device, in the row and in its envelope [W-DATA-5]', async () => {
    const id = '5b0cf1e6-8ad5-4a38-ae35-0f6f0a51c7c1';
    await expect(app.app.get(DataSource).query('SHOW TimeZone')).resolves.toEqual([
      { TimeZone: 'Asia/Tokyo' },
    ]);
    await database.query(
      `INSERT INTO events (id, user_id, at, updated_at) VALUES ($1, 'bob', '2024-06-01 08:30:00', '2024-06-01 09:00:00.5')`,
      [id],
    );
    await applied(database);
    const device = new Device(app.url, 'bob');
    await device.schema();
    await device.register();
    const [page] = await device.snapshot();
    expect(page?.records.filter(({ table_name: table }) => table === 'events')).toMatchObject([
      {
        id,
        updated_at: '2024-06-01T09:00:00.5Z',
        data: { at: '2024-06-01T08:30:00', updated_at: '2024-06-01T09:00:00.5' },
      },
    ]);
  });
});
