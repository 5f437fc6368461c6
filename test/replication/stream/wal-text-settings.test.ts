import { randomUUID } from 'node:crypto';
import { LosslessNumber } from 'lossless-json';
import { OwnershipResolver, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Client } from 'pg';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { consumerConnection } from '../../../lib/replication/slot/consumer-connection.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('samples')
@SyncTable({ pushPolicy: 'disabled' })
class Sample extends SyncedRow {
  @Column('timestamptz')
  moment!: Date;

  @Column('interval')
  span!: unknown;

  @Column('bytea')
  bytes!: Buffer;

  @Column('float8')
  ratio!: number;
}

/** Puts each row into a bucket that is named by its values, as they were read. */
class ValuesResolver extends OwnershipResolver {
  override resolveOwners(
    table: string,
    rows: readonly ResolveRow[],
  ): Promise<readonly (readonly string[])[]> {
    if (table !== 'samples') return Promise.resolve(rows.map(() => ['global']));
    return Promise.resolve(
      rows.map(({ data }) => [
        [data['moment'], data['span'], data['bytes'], data['ratio']].join(' | '),
        'global',
      ]),
    );
  }
}

const SETTINGS = {
  timezone: 'Asia/Kathmandu',
  datestyle: 'German, DMY',
  intervalstyle: 'sql_standard',
  bytea_output: 'escape',
  extra_float_digits: '-5',
};
const VALUES = `'2026-03-01 12:00:00.123456+00', interval '1 year 2 days 03:04:05', '\\x00ff41', 0.1::float8 + 0.2::float8`;
const AS_TEXT = '2026-03-01 12:00:00.123456+00 | 1 year 2 days 03:04:05 | \\x00ff41 | 0.30000000000000004';

describe('values are read as the same text', () => {
  let database: TestDatabase;
  let app: RunningApp;
  const before = randomUUID();
  const after = randomUUID();

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(
      createTableSql(
        'samples',
        'moment timestamptz NOT NULL, span interval NOT NULL, bytes bytea NOT NULL, ratio float8 NOT NULL',
      ),
    );
    for (const [name, value] of Object.entries(SETTINGS)) {
      await database.query(`ALTER DATABASE "${database.name}" SET ${name} = '${value}'`);
    }
    await database.query(
      `INSERT INTO samples (id, moment, span, bytes, ratio) VALUES ('${before}', ${VALUES})`,
    );
    app = await startWalApp(database, [Sample], {
      providers: [{ provide: OwnershipResolver, useClass: ValuesResolver }],
    });
    await database.query(
      `INSERT INTO samples (id, moment, span, bytes, ratio) VALUES ('${after}', ${VALUES})`,
    );
    await applied(database);
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('whether they come from the WAL or from the table, whatever the settings of the database are [interleaving 2] [W-DATA-5]', async () => {
    expect(await edgesOf(database, 'samples', before)).toEqual([AS_TEXT, 'global']);
    expect(await edgesOf(database, 'samples', after)).toEqual([AS_TEXT, 'global']);
  });

  it('and go to devices in UTC and at full precision [W-DATA-5]', async () => {
    const device = new Device(app.url, 'alice');
    await device.start();
    for (const id of [before, after]) {
      expect(device.row('samples', id)).toMatchObject({
        moment: '2026-03-01T12:00:00.123456+00:00',
        ratio: new LosslessNumber('0.30000000000000004'),
      });
    }
  });
});

describe('what the database URL says', () => {
  it("does not take the place of the consumer's own settings, and what they leave open holds [interleaving 2]", async () => {
    const database = await createDatabase();
    const url = new URL(database.url);
    url.searchParams.set('options', '-c TimeZone=Asia/Kathmandu -c work_mem=5MB');
    url.searchParams.set('statement_timeout', '1');
    url.searchParams.set('application_name', 'host');
    const client = new Client(consumerConnection({ connectionString: url.href }, 7_000, 'public'));
    try {
      await client.connect();
      const { rows } = await client.query(
        `SELECT name, setting FROM pg_settings WHERE name = ANY($1::text[])`,
        [
          [
            'TimeZone',
            'work_mem',
            'statement_timeout',
            'row_security',
            'application_name',
            'wal_sender_timeout',
          ],
        ],
      );
      expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
        TimeZone: 'UTC',
        work_mem: '5120',
        statement_timeout: '0',
        row_security: 'off',
        application_name: 'nestjs-synchro',
        wal_sender_timeout: '7000',
      });
    } finally {
      await client.end();
      await database.drop();
    }
  });
});
