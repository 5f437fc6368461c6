import { SubscriptionResolver, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { tasksDone } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  title!: string;
}

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', bucketPrefix: 'team:' })
class Board extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  team!: string;

  @Column('text')
  title!: string;
}

class RedTeam extends SubscriptionResolver {
  resolveSubscriptions(userId: string): Promise<readonly string[]> {
    return Promise.resolve([`user:${userId}`, 'global', 'team:red']);
  }
}

/** Its title says what the host's trigger makes of a row. */
const TRIGGER = `CREATE FUNCTION host_rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.title ~ 'dead' OR (TG_OP = 'INSERT' AND NEW.title = 'stillborn') THEN NEW.deleted_at := now(); END IF;
    IF NEW.title ~ 'given' THEN NEW.user_id := 'bob'; END IF;
    IF TG_TABLE_NAME = 'boards' AND NEW.deleted_at IS NOT NULL THEN NEW.team := 'archive'; END IF;
    RETURN NEW; END $$;
  CREATE TRIGGER host_rule BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION host_rule();
  CREATE TRIGGER host_rule BEFORE INSERT OR UPDATE ON boards FOR EACH ROW EXECUTE FUNCTION host_rule()`;

describe("a row that a trigger of the host's soft-deletes as it is pushed", () => {
  let database: TestDatabase;
  let app: RunningApp;
  let phone: Device;
  let tablet: Device;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('notes', 'user_id text NOT NULL, title text NOT NULL'));
    await database.query(
      createTableSql('boards', 'user_id text NOT NULL, team text NOT NULL, title text NOT NULL'),
    );
    await database.query(TRIGGER);
    app = await startWalApp(database, [Note, Board], {
      providers: [{ provide: SubscriptionResolver, useClass: RedTeam }],
    });
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });
  beforeEach(async () => {
    [phone, tablet] = [new Device(app.url, 'alice'), new Device(app.url, 'alice')];
    for (const device of [phone, tablet]) await device.start();
  });

  async function pushed(): Promise<readonly string[]> {
    const { accepted, rejected } = await phone.push(phone.store.pending(10));
    return [...accepted, ...rejected].map(({ status }) => status);
  }

  async function synced(): Promise<void> {
    await applied(database);
    await tasksDone(database);
    for (const device of [phone, tablet]) await device.sync();
  }

  const shown = (id: string, table = 'notes'): readonly boolean[] =>
    [phone, tablet].map((device) => device.row(table, id) !== undefined);

  it.each(['dead', 'given', 'given and dead'])(
    'is gone from its device: created %s [W-HOST-46]',
    async (title) => {
      const id = phone.create('notes', { user_id: 'alice', title });
      expect(await pushed()).toEqual(['applied']);
      await synced();
      expect(shown(id)).toEqual([false, false]);
    },
  );

  it.each(['dead', 'given', 'given and dead'])(
    'is gone from all devices: updated, %s [W-HOST-46]',
    async (title) => {
      const id = phone.create('notes', { user_id: 'alice', title: 'first' });
      await pushed();
      await synced();
      expect(shown(id)).toEqual([true, true]);
      phone.update('notes', id, { title });
      expect(await pushed()).toEqual(['applied']);
      await synced();
      expect(shown(id)).toEqual([false, false]);
    },
  );

  it('comes back to them when it is undeleted [W-HOST-46]', async () => {
    const id = phone.create('notes', { user_id: 'alice', title: 'dead' });
    await pushed();
    await database.query(
      `UPDATE notes SET deleted_at = NULL, title = 'back', updated_at = clock_timestamp() WHERE id = $1`,
      [id],
    );
    await synced();
    expect(shown(id)).toEqual([true, true]);
  });

  it('stays deleted when its create is sent again, as the answer was lost [W-HOST-47]', async () => {
    const id = phone.create('notes', { user_id: 'alice', title: 'stillborn' });
    const changes = phone.store.pending(10);
    await phone.push(changes);
    const again = new Device(app.url, 'alice', phone.clientId);
    await again.start();
    again.create('notes', { user_id: 'alice', title: 'stillborn' }, id);
    const { accepted, rejected } = await again.push(changes);
    expect([...accepted, ...rejected]).toHaveLength(1);
    await applied(database);
    await again.sync();
    expect(again.row('notes', id)).toBeUndefined();
    expect(await database.query('SELECT FROM notes WHERE id = $1 AND deleted_at IS NULL', [id])).toEqual([]);
  });

  it.each(['update', 'delete'] as const)(
    'is the same everywhere where the trigger moves it out of their buckets, too: by an %s [W-HOST-46]',
    async (operation) => {
      const id = phone.create('boards', { user_id: 'alice', team: 'red', title: 'first' });
      await pushed();
      await synced();
      expect(shown(id, 'boards')).toEqual([true, true]);
      if (operation === 'update') phone.update('boards', id, { title: 'dead' });
      else phone.delete('boards', id);
      const verdicts = await pushed();
      await synced();
      const [row] = await database.query('SELECT deleted_at IS NULL AS live FROM boards WHERE id = $1', [id]);
      expect([verdicts, row, shown(id, 'boards')]).toEqual(
        // What is written goes into no bucket that its user does not read (rule 16); a delete may.
        operation === 'update'
          ? [['rejected_terminal'], { live: true }, [true, true]]
          : [['applied'], { live: false }, [false, false]],
      );
    },
  );

  it('is refused where it is born in a bucket that its user does not read [W-HOST-46]', async () => {
    const id = phone.create('boards', { user_id: 'alice', team: 'red', title: 'dead' });
    const verdicts = await pushed();
    await synced();
    expect([verdicts, shown(id, 'boards')]).toEqual([['rejected_terminal'], [true, false]]);
  });
});
