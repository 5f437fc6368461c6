import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { applied, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('contracts')
@SyncTable({ ownerColumn: 'user_id' })
class Contract extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;
}

let database: TestDatabase;
let app: RunningApp;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(`
    ${createTableSql('contracts', 'user_id text NOT NULL, title text NOT NULL')};
    CREATE FUNCTION keep_signed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF OLD.title LIKE 'signed%' THEN NEW.deleted_at := NULL; END IF;
      IF OLD.title = 'signed, to be archived' AND NEW.updated_at > OLD.updated_at THEN NEW.title := 'archived'; END IF;
      RETURN NEW; END $$;
    CREATE TRIGGER keep_signed BEFORE UPDATE ON contracts FOR EACH ROW EXECUTE FUNCTION keep_signed()`);
  app = await startWalApp(database, [Contract]);
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

it.each([
  ['signed', 'signed'],
  ['signed, to be archived', 'archived'],
])(
  'a row that a trigger keeps from being deleted is back on its device: %s [W-PUSH-13]',
  async (title, then) => {
    const [phone, other] = [new Device(app.url, 'alice'), new Device(app.url, 'alice')];
    await phone.start();
    await other.start();
    const kept = phone.create('contracts', { title });
    const gone = phone.create('contracts', { title: 'a draft' });
    await phone.pushPending();
    await applied(database);
    await phone.sync();
    await other.sync();

    phone.delete('contracts', kept);
    phone.delete('contracts', gone);
    const [answer] = await phone.pushPending();
    expect(answer?.rejected).toEqual([]);
    await applied(database);
    for (const device of [phone, other]) {
      await device.sync();
      expect(device.row('contracts', kept)).toMatchObject({ title: then });
      expect(device.row('contracts', gone)).toBeUndefined();
    }
  },
);
