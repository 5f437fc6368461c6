import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('events')
@SyncTable({ ownerColumn: 'user_id' })
class Event extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('remarks')
@SyncTable({ parent: () => Event, parentFkColumn: 'event_id' })
class Remark extends SyncedRow {
  @Column('uuid', { name: 'event_id' })
  eventId!: string;
}

const COLUMNS = `id uuid PRIMARY KEY, user_id text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz`;
const MIDDLE = '80000000-0000-0000-0000-000000000000';

/** PostgreSQL decodes none of this: partitions come, go and are emptied without a word in the stream. */
describe('a partition', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  let low: string;
  let high: string;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(`CREATE TABLE events (${COLUMNS}) PARTITION BY RANGE (id)`);
    await database.query(
      `CREATE TABLE events_low PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('${MIDDLE}')`,
    );
    await database.query(
      `CREATE TABLE events_high PARTITION OF events FOR VALUES FROM ('${MIDDLE}') TO (MAXVALUE)`,
    );
    await database.query(
      `CREATE TABLE remarks (id uuid PRIMARY KEY, event_id uuid NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`,
    );
    [low, high] = [`00000000${randomUUID().slice(8)}`, `f0000000${randomUUID().slice(8)}`];
    app = await startWalApp(database, [Event, Remark]);
    await database.query(`INSERT INTO events (id, user_id) VALUES ('${low}', 'alice'), ('${high}', 'alice')`);
    await database.query(
      `INSERT INTO remarks (id, event_id) VALUES ('${low}', '${low}'), ('${high}', '${high}')`,
    );
    await applied(database);
    alice = new Device(app.url, 'alice');
    await alice.start();
    expect(alice.rows('remarks').size).toBe(2);
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  async function shows(...ids: readonly string[]): Promise<void> {
    await eventually(async () => {
      await alice.pull();
      expect([...alice.rows('events').keys()].toSorted()).toEqual(ids.toSorted());
      expect([...alice.rows('remarks').keys()].toSorted()).toEqual(ids.toSorted());
    });
  }

  it.each([
    ['detached', 'ALTER TABLE events DETACH PARTITION events_low'],
    ['dropped', 'DROP TABLE events_low'],
    ['truncated', 'TRUNCATE events_low'],
  ])('that is %s takes its rows along, and what inherits from them', async (_, statement) => {
    await database.query(statement);
    await shows(high);
    expect(await logOf(database, 'events', high)).toEqual(['create user:alice']);
  });

  it('that is attached brings its rows, also those that changed meanwhile', async () => {
    await database.query('ALTER TABLE events DETACH PARTITION events_low');
    await shows(high);
    const added = `00000001${randomUUID().slice(8)}`;
    await database.query(`UPDATE events_low SET user_id = 'bob'`);
    await database.query(`INSERT INTO events_low (id, user_id) VALUES ('${added}', 'alice')`);
    await database.query(`INSERT INTO remarks (id, event_id) VALUES ('${added}', '${added}')`);
    await applied(database);
    expect(await edgesOf(database, 'events', added)).toEqual([]);
    await database.query(
      `ALTER TABLE events ATTACH PARTITION events_low FOR VALUES FROM (MINVALUE) TO ('${MIDDLE}')`,
    );
    await shows(added, high);
    expect(await edgesOf(database, 'events', low)).toEqual(['user:bob']);
  });

  it('that was away while it changed has entries for its changes, though it is back before a consumer could see that', async () => {
    const before = new Date(Date.now() + 1_000).toISOString();
    await database.query(
      `BEGIN;
       ALTER TABLE events DETACH PARTITION events_low;
       CREATE TABLE events_next (LIKE events_low INCLUDING ALL);
       INSERT INTO events_next SELECT id, user_id, '${before}', deleted_at FROM events_low;
       ALTER TABLE events ATTACH PARTITION events_next FOR VALUES FROM (MINVALUE) TO ('${MIDDLE}');
       COMMIT`,
    );
    await eventually(async () =>
      expect(await logOf(database, 'events', low)).toEqual(['create user:alice', 'update user:alice']),
    );
    expect(await logOf(database, 'events', high)).toEqual(['create user:alice']);
  });

  it('that changes while no instance consumes is resolved when the app is back', async () => {
    await app.close();
    await database.query('TRUNCATE events_high');
    await database.query(`UPDATE events SET updated_at = now() WHERE id = '${low}'`);
    app = await startWalApp(database, [Event, Remark]);
    alice.url = app.url;
    await shows(low);
  });

  it('that a row moves to by its key, with a new owner, hands it over', async () => {
    await database.query(`UPDATE events SET id = 'e${low.slice(1)}', user_id = 'bob' WHERE id = '${low}'`);
    await applied(database);
    expect(await edgesOf(database, 'events', low)).toEqual([]);
    expect(await edgesOf(database, 'events', `e${low.slice(1)}`)).toEqual(['user:bob']);
    await shows(high);
  });
});
