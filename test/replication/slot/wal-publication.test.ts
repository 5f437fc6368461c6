import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { testRun } from '../../support/run.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
class Task extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('comments')
@SyncTable({ parent: () => Task, parentFkColumn: 'task_id' })
class Comment extends SyncedRow {
  @Column('uuid', { name: 'task_id' })
  taskId!: string;
}

describe('the publication', () => {
  let database: TestDatabase;
  let publication: string;
  let app: RunningApp | undefined;

  beforeEach(async () => {
    database = await createDatabase();
    publication = `"${database.publicationName}"`;
    await database.query(createTableSql('tasks', 'user_id text NOT NULL'));
    await database.query(createTableSql('comments', 'task_id uuid NOT NULL'));
  });

  afterEach(async () => {
    await app?.close();
    await database.drop();
  });

  async function start(): Promise<RunningApp> {
    app = await startWalApp(database, [Task, Comment]);
    return app;
  }

  async function published(): Promise<readonly string[]> {
    const rows = await database.query<{ name: string }>(
      `SELECT schemaname || '.' || tablename AS name FROM pg_publication_tables WHERE pubname = $1 ORDER BY 1`,
      [database.publicationName],
    );
    return rows.map(({ name }) => name);
  }

  async function insertTask(): Promise<string> {
    const id = randomUUID();
    await database.query(`INSERT INTO tasks (id, user_id) VALUES ('${id}', 'alice')`);
    return id;
  }

  it('names the synced tables and nothing else, with every kind of change [W-WAL-15]', async () => {
    await start();
    expect(await published()).toEqual(['public.comments', 'public.marks', 'public.tasks']);
    const [kinds] = await database.query(
      'SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot FROM pg_publication WHERE pubname = $1',
      [database.publicationName],
    );
    expect(Object.values(kinds ?? {})).toEqual([true, true, true, true, true]);
  });

  it('that is there already gets the tables and the kinds of changes that it lacks, and keeps its own [W-WAL-15]', async () => {
    await database.query('CREATE TABLE elsewhere (id int PRIMARY KEY)');
    await database.query(`CREATE PUBLICATION ${publication} FOR TABLE elsewhere WITH (publish = 'insert')`);
    await start();
    expect(await published()).toEqual([
      'public.comments',
      'public.elsewhere',
      'public.marks',
      'public.tasks',
    ]);
    const task = await insertTask();
    await database.query(`DELETE FROM tasks WHERE id = '${task}'`);
    await applied(database);
    expect(await edgesOf(database, 'tasks', task)).toEqual([]);
  });

  it('of all tables is refused, as the changelog would be replicated into itself', async () => {
    await database.query(`CREATE PUBLICATION ${publication} FOR ALL TABLES`);
    await expect(start()).rejects.toMatchObject({ code: 'publication_invalid' });
  });

  it.skipIf(testRun().serverVersion < 15).each([
    ['a row filter', 'TABLE tasks WHERE (false), comments'],
    ['a column list', 'TABLE tasks (id), comments'],
  ])('that has %s, as from PostgreSQL 15 on, gets the table as a whole', async (_, objects) => {
    await database.query(`CREATE PUBLICATION ${publication} FOR ${objects}`);
    await start();
    const task = await insertTask();
    await applied(database);
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
  });

  it.skipIf(testRun().serverVersion < 15)(
    'of a whole schema, as from PostgreSQL 15 on, is refused if the changelog is in it',
    async () => {
      await database.query('CREATE SCHEMA elsewhere');
      await database.query(`CREATE PUBLICATION ${publication} FOR TABLES IN SCHEMA elsewhere`);
      await start().then((running) => running.close());
      await database.query(`ALTER PUBLICATION ${publication} ADD TABLES IN SCHEMA public`);
      await expect(start()).rejects.toMatchObject({ code: 'publication_invalid' });
    },
  );

  it.each([
    ['lost a table', (name: string) => `ALTER PUBLICATION ${name} DROP TABLE tasks`],
    ['was dropped', (name: string) => `DROP PUBLICATION ${name}`],
    [
      'did not publish updates',
      (name: string) => `ALTER PUBLICATION ${name} SET (publish = 'insert, delete')`,
    ],
  ])('that %s is fixed at the next start, and what it missed is found [W-WAL-15]', async (_, damage) => {
    const first = await start();
    const [deleted, moved] = [await insertTask(), await insertTask()];
    const comments = [randomUUID(), randomUUID()] as const;
    await database.query(
      `INSERT INTO comments (id, task_id) VALUES ('${comments[0]}', '${deleted}'), ('${comments[1]}', '${moved}')`,
    );
    await applied(database);
    const device = new Device(first.url, 'alice');
    await device.start();
    expect(device.rows('tasks').size).toBe(2);

    await first.close();
    await database.query(damage(publication));
    await database.query(`DELETE FROM tasks WHERE id = '${deleted}'`);
    await database.query(`UPDATE tasks SET user_id = 'bob' WHERE id = '${moved}'`);
    const inserted = await insertTask();
    await start();
    await applied(database);
    expect(await published()).toEqual(['public.comments', 'public.marks', 'public.tasks']);
    expect(await edgesOf(database, 'tasks', deleted)).toEqual([]);
    expect(await edgesOf(database, 'tasks', moved)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'tasks', inserted)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'comments', comments[0])).toEqual([]);
    expect(await edgesOf(database, 'comments', comments[1])).toEqual(['user:bob']);
  });
});

describe('the start is stopped with the statement that fixes it', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('tasks', 'user_id text NOT NULL'));
  });

  afterEach(async () => {
    await database.drop();
  });

  it.each([
    ['has no replica identity', 'ALTER TABLE tasks REPLICA IDENTITY NOTHING'],
    [
      'is identified by an index without its primary key',
      `ALTER TABLE tasks ADD COLUMN n serial NOT NULL;
       CREATE UNIQUE INDEX tasks_n ON tasks (n);
       ALTER TABLE tasks REPLICA IDENTITY USING INDEX tasks_n`,
    ],
    [
      'has a deferrable primary key, which is no replica identity',
      'ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD PRIMARY KEY (id) DEFERRABLE',
    ],
  ])('when a table %s [W-WAL-12] [W-REG-4]', async (_, damage) => {
    await database.query(damage);
    const failed = await startWalApp(database, [Task]).then(
      async (app) => app.close().then(() => new Error('it started')),
      (error: Error) => error,
    );
    expect(failed).toMatchObject({ code: 'replica_identity_missing' });
    const [, statement = ''] = /(ALTER TABLE .*;)/.exec(failed.message) ?? [];
    await database.query(statement);
    const app = await startWalApp(database, [Task]);
    // The application's own changes work, and arrive.
    const id = randomUUID();
    await database.query(`INSERT INTO tasks (id, user_id) VALUES ('${id}', 'alice')`);
    await database.query(`UPDATE tasks SET user_id = 'bob' WHERE id = '${id}'`);
    await applied(database);
    expect(await edgesOf(database, 'tasks', id)).toEqual(['user:bob']);
    await app.close();
  });
});
