import { randomUUID } from 'node:crypto';
import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Column, DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SynchroModule, SyncTable, synchroMigrations, UserIdHeaderGuard } from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { consumed } from '../support/consumer.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertComment, insertTask, share } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';

const LOWER = 'abcdefab-cdef-4abc-8def-abcdefabcdef';
const UPPER = LOWER.toUpperCase();

describe('user ids and bucket values', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function started(user: string): Promise<Device> {
    const device = new Device(app.url, user);
    await device.start();
    return device;
  }

  it('an id that is too long for a key is refused by name', async () => {
    const long = await new Device(app.url, 'é'.repeat(600)).send('schema');
    expect(long).toMatchObject({ status: 400, json: { error: 'invalid user identity' } });
    // Random: PostgreSQL compresses what repeats itself.
    const longest = Array.from({ length: 28 }, () => randomUUID()).join('');
    const device = await started(longest);
    const id = device.create('tasks', { user_id: longest, title: 'of a long name' });
    await device.pushPending();
    await consumed(database);
    expect((await started(longest)).row('tasks', id)).toMatchObject({ user_id: longest });
  });

  it('a uuid in capitals is the same user [interleaving 26]', async () => {
    const [lower, upper] = [await started(LOWER), await started(UPPER)];
    const id = upper.create('tasks', { user_id: UPPER, title: 'from the one' });
    await upper.pushPending();
    await consumed(database);
    await lower.pull();
    expect(lower.row('tasks', id)).toMatchObject({ user_id: LOWER, title: 'from the one' });
    lower.update('tasks', id, { title: 'from the other' });
    await lower.pushPending();
    await consumed(database);
    await upper.pull();
    expect(upper.row('tasks', id)).toMatchObject({ title: 'from the other' });
  });

  it('a uuid in capitals is the same client of the same user', async () => {
    const clientId = randomUUID();
    const registered = await new Device(app.url, LOWER, clientId).register();
    expect(await new Device(app.url, UPPER, clientId).register()).toMatchObject({ id: registered.id });
  });

  it.each([LOWER, UPPER])(
    'a text owner column holds a uuid in capitals, and %s sees and writes the row [interleaving 26]',
    async (user) => {
      const device = await started(user);
      const id = await insertTask(database, UPPER, 'in capitals');
      const comment = await insertComment(database, id, 'under it');
      await consumed(database);
      await device.pull();
      expect(device.row('tasks', id)).toMatchObject({ title: 'in capitals' });
      expect(device.row('comments', comment)).toBeDefined();
      device.update('tasks', id, { title: 'changed' });
      device.update('comments', comment, { body: 'changed' });
      const [answer] = await device.pushPending();
      expect(answer?.rejected).toEqual([]);
      const fresh = await started(user);
      expect(fresh.row('tasks', id)).toMatchObject({ title: 'changed' });
    },
  );

  it('a bucket named by a uuid in capitals is the same bucket [interleaving 26]', async () => {
    const task = await insertTask(database, 'somebody', 'shared');
    await share(database, task, UPPER);
    await consumed(database);
    expect((await started(LOWER)).row('tasks', task)).toMatchObject({ title: 'shared' });
  });

  it('Bob and bob stay two users [W-OWN-6] [interleaving 26]', async () => {
    const [bob, capitalBob] = [await started('bob'), await started('Bob')];
    const ids = {
      bob: await insertTask(database, 'bob', 'of bob'),
      Bob: await insertTask(database, 'Bob', 'of Bob'),
    };
    await consumed(database);
    for (const device of [bob, capitalBob]) await device.pull();
    expect([...bob.rows('tasks').keys()]).toEqual([ids.bob]);
    expect([...capitalBob.rows('tasks').keys()]).toEqual([ids.Bob]);
    const answer = await bob.push([{ id: ids.Bob, table_name: 'tasks', operation: 'delete' }]);
    expect(answer.rejected).toMatchObject([{ reason_code: 'record_not_found' }]);
  });

  it('a comma or a quote in a user id names no further buckets [W-OWN-5]', async () => {
    await insertTask(database, 'victim', 'secret');
    await consumed(database);
    for (const user of ['x,user:victim', '{user:victim}', `x' OR 'a'='a`, 'x"},{"user:victim', '%']) {
      expect((await started(user)).rows('tasks').size).toBe(0);
    }
  });
});

@Entity('notes')
@SyncTable({ ownerColumn: 'ownerId' })
class Note {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'owner_id' })
  ownerId!: string;

  @Column('text')
  text!: string;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}

describe('a uuid owner column', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let owned: string;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(`CREATE TABLE notes (id uuid PRIMARY KEY, owner_id uuid NOT NULL, text text NOT NULL,
      updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`);
    app = await startApp({ database, module: notesApp(database) });
    owned = randomUUID();
    await database.query('INSERT INTO notes (id, owner_id, text) VALUES ($1, $2, $3)', [
      owned,
      UPPER,
      'owned',
    ]);
    await eventually(async () => {
      const edges = await database.query('SELECT FROM sync_bucket_edges WHERE record_id = $1', [owned]);
      return edges.length === 1;
    });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it.each([LOWER, UPPER])('belongs to %s', async (user) => {
    const device = new Device(app.url, user);
    await device.start();
    expect(device.row('notes', owned)).toMatchObject({ owner_id: LOWER });
    device.update('notes', owned, { text: `of ${user}` });
    const [answer] = await device.pushPending();
    expect(answer?.rejected).toEqual([]);
  });

  it.each(['mallory', 'abcdefab', `${LOWER}0`, `{${LOWER}}`])(
    'is not of a user whose id is no uuid, and that is no error: %s [interleaving 26]',
    async (user) => {
      const device = new Device(app.url, user);
      await device.start();
      expect(device.rows('notes').size).toBe(0);
      const created = randomUUID();
      const answer = await device.push([
        { id: owned, table_name: 'notes', operation: 'update', data: { text: 'mine' } },
        { id: owned, table_name: 'notes', operation: 'delete' },
        { id: owned, table_name: 'notes', operation: 'create', data: { text: 'mine' } },
        { id: created, table_name: 'notes', operation: 'create', data: { text: 'mine' } },
      ]);
      expect(answer.accepted).toEqual([]);
      expect(answer.rejected.map(({ status }) => status)).toEqual(Array(4).fill('rejected_terminal'));
      expect(answer.rejected.slice(0, 2)).toMatchObject([
        { reason_code: 'record_not_found' },
        { reason_code: 'record_not_found' },
      ]);
      expect(answer.rejected.every((result) => result.server_version === undefined)).toBe(true);
      await device.pull();
    },
  );
});

function notesApp({ url, slotName, publicationName }: TestDatabase): new () => object {
  @Module({
    imports: [
      TypeOrmModule.forRoot({
        type: 'postgres',
        url,
        entities: [Note],
        migrations: [...synchroMigrations],
        migrationsRun: true,
      }),
      SynchroModule.forRoot({
        guards: [UserIdHeaderGuard()],
        replication: { slotName, publicationName },
      }),
    ],
  })
  class NotesApp {}
  return NotesApp;
}
