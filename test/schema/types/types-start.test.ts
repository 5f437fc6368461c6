import { SyncTable } from 'nestjs-synchro';
import { Column, Entity, PrimaryColumn, UpdateDateColumn, DeleteDateColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { quoteIdentifier } from '../../../lib/common/identifiers.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('pages')
@SyncTable({ pushPolicy: 'disabled' })
class Page extends SyncedRow {}

/** A name of 63 bytes, with quotes, capitals and a space. */
const LONG = `It's "A" Näme ${'x'.repeat(48)}`;

@Entity('odd names')
@SyncTable({ ownerColumn: LONG, idColumn: 'Key"' })
class Odd {
  @PrimaryColumn('text', { name: 'Key"' })
  key!: string;

  @Column('text', { name: LONG })
  owner!: string;

  @Column('text', { name: 'select', nullable: true })
  select!: string | null;

  @UpdateDateColumn({ name: "Updated'At", type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'Deleted At', type: 'timestamptz' })
  deletedAt!: Date | null;
}

describe('a start', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
  });

  afterEach(() => database.drop());

  async function refusal(...entities: Parameters<typeof startWalApp>[1]): Promise<Error> {
    return startWalApp(database, entities).then(
      async (app) => app.close().then(() => new Error('it started')),
      (error: Error) => error,
    );
  }

  it('is stopped by a partition whose deletes would not name their rows [W-HOST-25]', async () => {
    await database.query(`
      CREATE TABLE pages (id uuid PRIMARY KEY, updated_at timestamptz NOT NULL, deleted_at timestamptz) PARTITION BY HASH (id);
      CREATE TABLE pages_even PARTITION OF pages FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE pages_odd PARTITION OF pages FOR VALUES WITH (MODULUS 2, REMAINDER 1);
      ALTER TABLE pages_odd REPLICA IDENTITY NOTHING`);
    const error = await refusal(Page);
    expect(error).toMatchObject({ code: 'replica_identity_missing' });
    await database.query(
      /(ALTER TABLE .*pages_odd.* REPLICA IDENTITY [^;]*);/.exec(error.message)?.[1] ?? '',
    );
    const app = await startWalApp(database, [Page]);
    await app.close();
  });

  it('takes names of any spelling, and devices write and read under them [W-HOST-25]', async () => {
    await database.query(`CREATE TABLE "odd names" (
      "Key""" text PRIMARY KEY, ${quoteIdentifier(LONG)} text NOT NULL, "select" text,
      "Updated'At" timestamptz NOT NULL DEFAULT now(), "Deleted At" timestamptz)`);
    expect(Buffer.byteLength(LONG)).toBe(63);
    const app = await startWalApp(database, [Odd]);
    const [one, other] = [new Device(app.url, 'alice'), new Device(app.url, 'alice')];
    await one.start();
    const id = one.create('odd names', { select: 'typed' });
    await one.pushPending();
    await other.start();
    expect(other.row('odd names', id)).toMatchObject({ 'Key"': id, [LONG]: 'alice', select: 'typed' });
    other.update('odd names', id, { select: 'again' });
    const [answer] = await other.pushPending();
    expect(answer?.accepted).toHaveLength(1);
    await app.close();
  });
});
