import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
class Task extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  team!: string | null;
}

/** The same table by the next version's rule. */
@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team' })
class TeamTask extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  team!: string | null;
}

/** And by one that reads the same columns. */
@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'user_id', bucketPrefix: 'people:' })
class PrefixedTask extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  team!: string | null;
}

/** Only the next version knows it. */
@Entity('notes')
@SyncTable({ ownerColumn: 'user_id' })
class Note extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  text!: string | null;
}

@Entity('tasks', { schema: 'moved' })
@SyncTable({ ownerColumn: 'user_id' })
class MovedTask extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

const OLD = [Task];
const NEXT = [Task, Note];

describe('a rolling deploy', () => {
  let database: TestDatabase;
  const apps: RunningApp[] = [];

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('tasks', 'user_id text NOT NULL, team text'));
    await database.query(createTableSql('notes', 'user_id text NOT NULL, text text'));
  });

  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    await database.drop();
  });

  async function start(entities: Parameters<typeof startWalApp>[1]): Promise<RunningApp> {
    const app = await startWalApp(database, entities);
    apps.push(app);
    return app;
  }

  /** One instance after the other, as when there is only one. */
  async function replace(app: RunningApp, entities: Parameters<typeof startWalApp>[1]): Promise<RunningApp> {
    await app.close();
    const next = await start(entities);
    await applied(database);
    return next;
  }

  async function insert(table: string, user = 'alice', id: string = randomUUID()): Promise<string> {
    await database.query(`INSERT INTO ${table} (id, user_id) VALUES ('${id}', '${user}')`);
    return id;
  }

  it('brings what was written into a new table while the former version led and ignored it [interleaving 5]', async () => {
    const existing = await insert('notes');
    const former = await start(OLD);
    await new Device(former.url, 'alice').start();
    const next = await start(NEXT);
    const device = new Device(next.url, 'alice');
    await device.start();
    expect(device.rows('notes').size).toBe(0);

    const ignored = await insert('notes');
    const task = await insert('tasks');
    await applied(database);
    // The leader has acknowledged both.
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'notes', ignored)).toEqual([]);

    await former.close();
    await eventually(async () => {
      await device.pull();
      expect([...device.rows('notes').keys()].toSorted()).toEqual([existing, ignored].toSorted());
    });
    const later = await insert('notes');
    await applied(database);
    expect(await logOf(database, 'notes', later)).toEqual(['create user:alice']);
    expect(device.snapshotReasons).toEqual([]);
  });

  it('makes edges alone for a new table while there are no devices [interleaving 5] [W-SNAP-7]', async () => {
    const note = await insert('notes');
    await replace(await start(OLD), NEXT);
    expect(await edgesOf(database, 'notes', note)).toEqual(['user:alice']);
    expect(await logOf(database, 'notes', note)).toEqual([]);
  });

  it('brings what changed in a known table while a former version led again [interleaving 5]', async () => {
    const [changed, deleted] = [await insert('notes'), await insert('notes')];
    const next = await start(NEXT);
    const device = new Device(next.url, 'alice');
    await device.start();
    expect(device.rows('notes').size).toBe(2);

    const former = await replace(next, OLD);
    await database.query(`UPDATE notes SET text = 'unseen' WHERE id = '${changed}'`);
    await database.query(`DELETE FROM notes WHERE id = '${deleted}'`);
    const inserted = await insert('notes');
    await applied(database);
    const again = await replace(former, NEXT);
    const same = new Device(again.url, 'alice', device.clientId);
    await same.start();
    expect([...same.rows('notes').keys()].toSorted()).toEqual([changed, inserted].toSorted());
    expect(same.row('notes', changed)).toMatchObject({ text: 'unseen' });
    const log = await logOf(database, 'notes', deleted);
    expect(log.at(-1)).toBe('delete user:alice');
    expect(await logOf(database, 'notes', changed)).toContain('update user:alice');
  });

  it('resolves a table again whose rule is another one now [interleaving 5] [W-SNAP-7]', async () => {
    const mine = randomUUID();
    await database.query(`INSERT INTO tasks (id, user_id, team) VALUES ('${mine}', 'alice', 'bob')`);
    const former = await start(OLD);
    const alice = new Device(former.url, 'alice');
    await alice.start();
    expect(alice.row('tasks', mine)).toBeDefined();

    await replace(former, [TeamTask]);
    expect(await edgesOf(database, 'tasks', mine)).toEqual(['user:bob']);
    expect(await logOf(database, 'tasks', mine)).toEqual(['delete user:alice', 'create user:bob']);
  });

  it('resolves a table again whose rule reads the same columns in another way [interleaving 5]', async () => {
    const task = await insert('tasks');
    const former = await start(OLD);
    await new Device(former.url, 'alice').start();
    await replace(former, [PrefixedTask]);
    expect(await edgesOf(database, 'tasks', task)).toEqual(['people:alice']);
    expect(await logOf(database, 'tasks', task)).toEqual(['delete user:alice', 'create people:alice']);
  });

  it('does not resolve anything again when nothing is new', async () => {
    const task = await insert('tasks');
    const former = await start(OLD);
    await new Device(former.url, 'alice').start();
    await database.query(`DELETE FROM sync_bucket_edges WHERE record_id = '${task}'`);
    await replace(former, OLD);
    expect(await edgesOf(database, 'tasks', task)).toEqual([]);
  });

  it('takes the rows of a table away whose entity has moved to another schema [W-WAL-14]', async () => {
    const task = await insert('tasks');
    const former = await start(OLD);
    await new Device(former.url, 'alice').start();
    await database.query('CREATE SCHEMA moved');
    await database.query(createTableSql('moved.tasks', 'user_id text NOT NULL'));
    const there = await insert('moved.tasks');
    await replace(former, [MovedTask]);
    expect(await edgesOf(database, 'tasks', task)).toEqual([]);
    expect(await edgesOf(database, 'tasks', there)).toEqual(['user:alice']);
  });
});
