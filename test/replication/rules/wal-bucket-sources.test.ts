import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { bucketOf, OwnershipResolver, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import { startApp, type RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, inOneTransaction, startWalApp, SyncedRow } from '../../support/wal-app.js';

function insertTask(id: string): string {
  return `INSERT INTO tasks (id, user_id, title) VALUES ('${id}', 'alice', 'shared')`;
}

function insertComment(id: string, task: string): string {
  return `INSERT INTO comments (id, task_id, body) VALUES ('${id}', '${task}', 'hello')`;
}

function share(task: string, user = 'bob'): string {
  return `INSERT INTO task_shares VALUES ('${task}', '${user}')`;
}

describe('a bucket source', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let bob: Device;

  beforeAll(async () => {
    database = await createDatabase();
    app = await startApp({ database });
    bob = new Device(app.url, 'bob');
    await bob.start();
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  /** Like {@link startWalApp}'s `applied`, for the sample app. */
  async function commit(...statements: string[]): Promise<void> {
    const mark = randomUUID();
    await inOneTransaction(database, ...statements);
    await database.query(`INSERT INTO categories (id, name) VALUES ($1, 'mark')`, [mark]);
    await eventually(async () => (await edgesOf(database, 'categories', mark)).length > 0);
  }

  /** Whether Bob's device shows the task and its comment after a pull. */
  async function bobSees(task: string, comment: string): Promise<readonly [boolean, boolean]> {
    await bob.pull();
    return [bob.row('tasks', task) !== undefined, bob.row('comments', comment) !== undefined];
  }

  it('brings a row and its children into view when it names them, and takes them away when it goes [interleaving 6]', async () => {
    const [task, comment] = [randomUUID(), randomUUID()];
    await commit(insertTask(task), insertComment(comment, task));
    expect(await bobSees(task, comment)).toEqual([false, false]);
    await commit(share(task));
    expect(await bobSees(task, comment)).toEqual([true, true]);
    // The WAL carries nothing of the deleted row but its key.
    await commit(`DELETE FROM task_shares WHERE task_id = '${task}'`);
    expect(await bobSees(task, comment)).toEqual([false, false]);
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
    await commit(share(task));
    expect(await bobSees(task, comment)).toEqual([true, true]);
  });

  it('counts from the beginning when it is written together with the row', async () => {
    const [task, comment] = [randomUUID(), randomUUID()];
    await commit(insertTask(task), share(task), insertComment(comment, task));
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice', 'user:bob']);
    expect(await edgesOf(database, 'comments', comment)).toEqual([`task:${task}`, 'user:alice', 'user:bob']);
  });

  it('moves the view along when its foreign key changes [interleaving 6]', async () => {
    const [from, to, comment] = [randomUUID(), randomUUID(), randomUUID()];
    await commit(insertTask(from), insertTask(to), insertComment(comment, to), share(from));
    expect(await edgesOf(database, 'tasks', from)).toEqual(['user:alice', 'user:bob']);
    await commit(`UPDATE task_shares SET task_id = '${to}' WHERE task_id = '${from}'`);
    expect(await edgesOf(database, 'tasks', from)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'tasks', to)).toEqual(['user:alice', 'user:bob']);
    expect(await bobSees(to, comment)).toEqual([true, true]);
  });

  it('counts as it is now when its other columns change', async () => {
    const task = randomUUID();
    await commit(insertTask(task), share(task));
    await commit(`UPDATE task_shares SET shared_with_user_id = 'carol' WHERE task_id = '${task}'`);
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice', 'user:carol']);
  });

  it('takes everything away when it is truncated [interleaving 6]', async () => {
    const [task, comment] = [randomUUID(), randomUUID()];
    await commit(insertTask(task), insertComment(comment, task), share(task));
    expect(await bobSees(task, comment)).toEqual([true, true]);
    await commit('TRUNCATE task_shares');
    expect(await bobSees(task, comment)).toEqual([false, false]);
    expect(bob.rows('tasks').size).toBe(0);
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
  });

  it('may name rows that are not there', async () => {
    const task = randomUUID();
    await commit('ALTER TABLE task_shares DROP CONSTRAINT task_shares_task_id_fkey', share(task));
    expect(await edgesOf(database, 'tasks', task)).toEqual([]);
    await commit(insertTask(task));
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice', 'user:bob']);
  });
});

@Entity('grants')
class Grant {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'doc_id' })
  docId!: string;
}

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id', bucketSources: [{ entity: () => Grant, fkColumn: 'docId' }] })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

describe('a bucket source whose deleted rows would not name their key', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    await database.query('CREATE TABLE grants (id uuid PRIMARY KEY, doc_id uuid NOT NULL)');
  });

  afterAll(async () => {
    await database.drop();
  });

  it('stops the start, with the statement that fixes it [interleaving 6]', async () => {
    const failed = await startWalApp(database, [Doc, Grant]).then(
      () => new Error('it started'),
      (error: Error) => error,
    );
    expect(failed).toMatchObject({ code: 'replica_identity_missing' });
    expect(failed.message).toMatch(/deleted row of public.grants would not carry doc_id/);
    const [, statement = ''] = /(ALTER TABLE .*;)/.exec(failed.message) ?? [];
    await database.query(statement);
    const app = await startWalApp(database, [Doc, Grant]);
    await app.close();
  });

  it('may carry it in an index that is its replica identity [interleaving 6]', async () => {
    await database.query('CREATE UNIQUE INDEX grants_doc ON grants (id, doc_id)');
    await database.query('ALTER TABLE grants REPLICA IDENTITY USING INDEX grants_doc');
    const app = await startWalApp(database, [Doc, Grant]);
    await app.close();
  });
});

@Entity('readers')
class Reader {
  @PrimaryColumn('uuid', { name: 'paper_id' })
  paperId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;
}

@Entity('papers')
@SyncTable({ ownerColumn: 'user_id', bucketSources: [{ entity: () => Reader, fkColumn: 'paper_id' }] })
class Paper extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Injectable()
class ReaderResolver extends OwnershipResolver {
  constructor(private readonly dataSource: DataSource) {
    super();
  }

  override async resolveOwner(table: string, { recordId }: ResolveRow): Promise<readonly string[]> {
    if (table === 'marks') return ['global'];
    const readers: readonly { user_id: string }[] = await this.dataSource.query(
      'SELECT user_id FROM readers WHERE lower(paper_id::text) = $1 ORDER BY user_id',
      [recordId],
    );
    return readers.map(({ user_id: userId }) => bucketOf('user:', userId));
  }
}

it('a bucket source whose column takes what is no key names no row by it, and stops nothing', async () => {
  const database = await createDatabase();
  await database.query(createTableSql('papers', 'user_id text NOT NULL'));
  await database.query('CREATE TABLE readers (paper_id uuid, user_id text, PRIMARY KEY (paper_id, user_id))');
  const app = await startWalApp(database, [Paper, Reader], {
    providers: [{ provide: OwnershipResolver, useClass: ReaderResolver }],
  });
  try {
    const [paper, other] = [randomUUID(), randomUUID()];
    await database.query(`INSERT INTO papers (id, user_id) VALUES ($1, 'alice'), ($2, 'alice')`, [
      paper,
      other,
    ]);
    // At a start this would be refused; while the app runs nobody asks.
    await database.query('ALTER TABLE readers ALTER COLUMN paper_id TYPE text');
    await database.query(
      `INSERT INTO readers VALUES ('no key', 'bob'), ($1, 'bob'), (upper($2), 'carol'), ('', 'dora')`,
      [paper, other],
    );
    await applied(database);
    expect(await edgesOf(database, 'papers', paper)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'papers', other)).toEqual(['user:carol']);
    await database.query('DELETE FROM readers');
    await applied(database);
    expect(await edgesOf(database, 'papers', paper)).toEqual([]);
  } finally {
    await app.close();
    await database.drop();
  }
});

it('a bucket source that goes takes a row along that is gone by then, and not only when the log gets there [interleaving 6]', async () => {
  const database = await createDatabase();
  await database.query(createTableSql('papers', 'user_id text NOT NULL'));
  await database.query('CREATE TABLE readers (paper_id uuid, user_id text, PRIMARY KEY (paper_id, user_id))');
  const start = (): Promise<RunningApp> =>
    startWalApp(database, [Paper, Reader], {
      providers: [{ provide: OwnershipResolver, useClass: ReaderResolver }],
      // Each transaction is applied by itself.
      replication: { batchRows: 1 },
    });
  let app = await start();
  try {
    const [paper, mark] = [randomUUID(), randomUUID()];
    await inOneTransaction(
      database,
      `INSERT INTO papers (id, user_id) VALUES ('${paper}', 'alice')`,
      `INSERT INTO readers VALUES ('${paper}', 'bob'), ('${paper}', 'carol')`,
    );
    await applied(database);
    await app.close();
    await database.query(`DELETE FROM readers WHERE user_id = 'bob'`);
    await database.query('INSERT INTO marks (id) VALUES ($1)', [mark]);
    await database.query('DELETE FROM papers');
    app = await start();
    await applied(database);
    const log = await database.query<{ entry: string }>(
      `SELECT (ARRAY['create', 'update', 'delete'])[operation] || ' ' || bucket_id AS entry
         FROM sync_changelog WHERE record_id IN ($1, $2) ORDER BY seq`,
      [paper, mark],
    );
    expect(log.map(({ entry }) => entry)).toEqual([
      'create user:bob',
      'create user:carol',
      'delete user:bob',
      'delete user:carol',
      'create global',
    ]);
    expect(await edgesOf(database, 'papers', paper)).toEqual([]);
  } finally {
    await app.close();
    await database.drop();
  }
});
