import { randomBytes, randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('docs')
@SyncTable({
  ownerColumn: 'user_id',
  bucketSources: [{ entity: () => Share, fkColumn: 'doc_id' }],
  bucketFunction: 'doc_buckets',
})
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  body!: string | null;
}

@Entity('shares')
class Share {
  @PrimaryColumn('uuid', { name: 'doc_id' })
  docId!: string;

  @PrimaryColumn('text', { name: 'with_user' })
  withUser!: string;
}

@Entity('pages')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id' })
class Page extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;
}

describe('the replica identity, changed while the consumer streams,', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(
      createTableSql('docs', 'user_id text NOT NULL, body text, n serial NOT NULL UNIQUE'),
    );
    await database.query(createTableSql('pages', 'doc_id uuid NOT NULL'));
    await database.query(
      'CREATE TABLE shares (doc_id uuid, with_user text, n serial NOT NULL UNIQUE, PRIMARY KEY (doc_id, with_user))',
    );
    await database.query(
      `CREATE FUNCTION doc_buckets(t text, o text, new_row jsonb, old_row jsonb) RETURNS SETOF text LANGUAGE sql STABLE AS $$
         SELECT 'user:' || (new_row ->> 'user_id')
         UNION SELECT 'user:' || with_user FROM shares WHERE doc_id = (new_row ->> 'id')::uuid $$`,
    );
    app = await startWalApp(database, [Doc, Share, Page]);
    alice = new Device(app.url, 'alice');
    await alice.start();
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  async function insertDoc(user = 'alice'): Promise<string> {
    const id = randomUUID();
    await database.query(`INSERT INTO docs (id, user_id) VALUES ('${id}', '${user}')`);
    await database.query(`INSERT INTO pages (id, doc_id) VALUES ('${id}', '${id}')`);
    return id;
  }

  it('to an index without the key still finds rows that are deleted or get another key', async () => {
    const [deleted, renamed, kept, next] = [
      await insertDoc(),
      await insertDoc(),
      await insertDoc(),
      randomUUID(),
    ];
    await database.query(`INSERT INTO shares (doc_id, with_user) VALUES ('${kept}', 'bob')`);
    await applied(database);
    await alice.pull();
    expect(await edgesOf(database, 'docs', kept)).toEqual(['user:alice', 'user:bob']);
    await database.query('ALTER TABLE docs REPLICA IDENTITY USING INDEX docs_n_key');
    await database.query('ALTER TABLE shares REPLICA IDENTITY USING INDEX shares_n_key');
    await database.query(`DELETE FROM docs WHERE id = '${deleted}'`);
    await database.query(`UPDATE docs SET id = '${next}' WHERE id = '${renamed}'`);
    await database.query(`DELETE FROM shares`);
    await applied(database);
    expect(await edgesOf(database, 'docs', deleted)).toEqual([]);
    expect(await edgesOf(database, 'docs', renamed)).toEqual([]);
    expect(await edgesOf(database, 'docs', next)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'docs', kept)).toEqual(['user:alice']);
    // Its page's parent is gone, and what it inherited with it.
    expect(await edgesOf(database, 'pages', deleted)).toEqual([]);
    await alice.pull();
    expect([...alice.rows('docs').keys()].toSorted()).toEqual([kept, next].toSorted());
  });

  it('to an index that is dropped then keeps the edits of devices until there is one again', async () => {
    const doc = await insertDoc();
    await applied(database);
    await alice.pull();
    await database.query('ALTER TABLE docs REPLICA IDENTITY USING INDEX docs_n_key');
    await database.query('ALTER TABLE docs DROP CONSTRAINT docs_n_key');
    alice.update('docs', doc, { body: 'typed offline' });
    const added = alice.create('docs', { body: 'made offline' });
    await expect(alice.sync()).rejects.toMatchObject({ status: 503 });
    expect(alice.store.pendingCount).toBe(2);
    // What needs no identity goes on.
    const inserted = await insertDoc();
    await applied(database);
    expect(await edgesOf(database, 'docs', inserted)).toEqual(['user:alice']);

    await database.query('ALTER TABLE docs REPLICA IDENTITY DEFAULT');
    await alice.sync();
    await applied(database);
    await alice.pull();
    expect(alice.row('docs', doc)).toMatchObject({ body: 'typed offline' });
    expect([...alice.rows('docs').keys()].toSorted()).toEqual([doc, added, inserted].toSorted());
  });

  it('to NOTHING keeps the edits of devices, too', async () => {
    const doc = await insertDoc();
    await applied(database);
    await alice.pull();
    await database.query('ALTER TABLE docs REPLICA IDENTITY NOTHING');
    alice.update('docs', doc, { body: 'typed offline' });
    await expect(alice.sync()).rejects.toMatchObject({ status: 503 });
    await database.query('ALTER TABLE docs REPLICA IDENTITY FULL');
    await alice.sync();
    await database.query(`DELETE FROM pages WHERE id = '${doc}'`);
    await applied(database);
    expect(await logOf(database, 'pages', doc)).toContain('delete user:alice');
    const [row] = await database.query('SELECT body FROM docs');
    expect(row).toEqual({ body: 'typed offline' });
  });

  it('of a primary key that is another column asks devices to come back, and loses nothing until it is fixed', async () => {
    const [deleted, edited] = [await insertDoc(), await insertDoc()];
    await applied(database);
    await alice.pull();
    await database.query('ALTER TABLE docs DROP CONSTRAINT docs_pkey, ADD PRIMARY KEY (n)');
    await database.query(`DELETE FROM docs WHERE id = '${deleted}'`);
    await database.query(`UPDATE docs SET user_id = 'bob' WHERE id = '${edited}'`);
    await applied(database);
    const body = { client_id: alice.clientId, checkpoint: alice.checkpoint, ...(await alice.schemaIds()) };
    expect(await alice.send('pull', body)).toMatchObject({ status: 503 });
    await database.query('ALTER TABLE docs DROP CONSTRAINT docs_pkey, ADD PRIMARY KEY (id)');
    await eventually(async () => {
      await alice.pull();
      expect(alice.rows('docs').size).toBe(0);
      expect(alice.rows('pages').size).toBe(0);
    });
    expect(await edgesOf(database, 'docs', edited)).toEqual(['user:bob']);
  });
});

@Entity('long_docs')
@SyncTable({ ownerColumn: 'user_id' })
class LongDoc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  body!: string | null;
}

describe('values out of line that are not sent again', () => {
  it.each([
    ['DEFAULT', ''],
    ['FULL', 'ALTER TABLE long_docs REPLICA IDENTITY FULL'],
    [
      'USING INDEX',
      `CREATE UNIQUE INDEX long_docs_key ON long_docs (id, short);
       ALTER TABLE long_docs REPLICA IDENTITY USING INDEX long_docs_key`,
    ],
  ])('leave buckets and contents as they are under REPLICA IDENTITY %s', async (_, alter) => {
    const database = await createDatabase();
    await database.query(
      createTableSql('long_docs', "user_id text NOT NULL, body text, short text NOT NULL DEFAULT ''"),
    );
    await database.query(
      `ALTER TABLE long_docs ALTER user_id SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL,
         SET (toast_tuple_target = 128)`,
    );
    if (alter !== '') await database.query(alter);
    const app = await startWalApp(database, [LongDoc]);
    // By chance, or the index of the buckets would hold it compressed.
    const user = `u${randomBytes(400).toString('hex')}`;
    const [kept, gone, passing] = [randomUUID(), randomUUID(), randomUUID()];
    const body = randomBytes(50_000).toString('hex');
    for (const id of [kept, gone])
      await database.query('INSERT INTO long_docs (id, user_id, body) VALUES ($1, $2, $3)', [id, user, body]);
    await database.query(
      `UPDATE long_docs SET short = 'x', updated_at = clock_timestamp() WHERE id = '${kept}'`,
    );
    await inOneTransaction(
      database,
      `INSERT INTO long_docs (id, user_id) SELECT '${passing}', user_id FROM long_docs WHERE id = '${kept}'`,
      `UPDATE long_docs SET short = 'y' WHERE id IN ('${gone}', '${passing}')`,
      `DELETE FROM long_docs WHERE id IN ('${gone}', '${passing}')`,
    );
    await applied(database);
    expect(await edgesOf(database, 'long_docs', kept)).toEqual([`user:${user}`]);
    expect(await edgesOf(database, 'long_docs', gone)).toEqual([]);
    expect(await edgesOf(database, 'long_docs', passing)).toEqual([]);
    const rows = await database.query<{ bucket: string }>(
      `SELECT DISTINCT bucket_id AS bucket FROM sync_changelog WHERE table_name = 'long_docs'`,
    );
    expect(rows).toEqual([{ bucket: `user:${user}` }]);
    await app.close();
    await database.drop();
  });
});

@Entity('words')
@SyncTable({ ownerColumn: 'user_id' })
class Word {
  @PrimaryColumn('text')
  id!: string;

  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt!: Date;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt!: Date | null;
}

describe('keys', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(
      `CREATE TABLE words (id text PRIMARY KEY, user_id text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz)`,
    );
    await database.query('ALTER TABLE words ALTER id SET STORAGE EXTERNAL');
    app = await startWalApp(database, [Word]);
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  async function owners(): Promise<Record<string, string>> {
    const rows = await database.query<{ id: string; bucket: string }>(
      `SELECT record_id AS id, bucket_id AS bucket FROM sync_bucket_edges WHERE table_name = 'words' ORDER BY 1`,
    );
    return Object.fromEntries(rows.map(({ id, bucket }) => [id, bucket]));
  }

  it('that are swapped, moved in a circle or passed on within a transaction end where they belong', async () => {
    await commit(`INSERT INTO words (id, user_id) VALUES ('a', 'alice'), ('b', 'bob'), ('c', 'carol')`);
    const alice = new Device(app.url, 'alice');
    await alice.start();
    await commit(
      `UPDATE words SET id = 't' WHERE id = 'a'`,
      `UPDATE words SET id = 'a' WHERE id = 'b'`,
      `UPDATE words SET id = 'b' WHERE id = 'c'`,
      `UPDATE words SET id = 'c' WHERE id = 't'`,
    );
    expect(await owners()).toEqual({ a: 'user:bob', b: 'user:carol', c: 'user:alice' });
    await alice.pull();
    expect([...alice.rows('words').keys()]).toEqual(['c']);
    await commit(
      `DELETE FROM words WHERE id = 'a'`,
      `UPDATE words SET id = 'a', user_id = 'alice' WHERE id = 'b'`,
      `INSERT INTO words (id, user_id) VALUES ('b', 'bob')`,
      `UPDATE words SET id = 'd' WHERE id = 'c'`,
    );
    expect(await owners()).toEqual({ a: 'user:alice', b: 'user:bob', d: 'user:alice' });
    await alice.pull();
    expect([...alice.rows('words').keys()].toSorted()).toEqual(['a', 'd']);
  });

  it('that come and go within a transaction, or a savepoint, leave nothing behind', async () => {
    await commit(
      `INSERT INTO words (id, user_id) VALUES ('x', 'alice')`,
      `DELETE FROM words WHERE id = 'x'`,
      'SAVEPOINT one',
      `INSERT INTO words (id, user_id) VALUES ('y', 'alice')`,
      'SAVEPOINT two',
      `UPDATE words SET user_id = 'bob' WHERE id = 'y'`,
      'ROLLBACK TO one',
      `INSERT INTO words (id, user_id) VALUES ('z', 'alice')`,
      'RELEASE one',
      `UPDATE words SET id = 'zz' WHERE id = 'z'`,
    );
    expect(await owners()).toEqual({ zz: 'user:alice' });
    const log = await database.query(
      `SELECT FROM sync_changelog WHERE bucket_id = 'user:bob' OR record_id = 'y'`,
    );
    expect(log).toEqual([]);
  });

  it('that are stored out of line are known when they are not sent again', async () => {
    const long = randomBytes(400).toString('hex');
    await database.query('ALTER TABLE words SET (toast_tuple_target = 128)');
    await commit(`INSERT INTO words (id, user_id) VALUES ('${long}', 'alice')`);
    await commit(`UPDATE words SET user_id = 'bob' WHERE id = '${long}'`);
    expect(await owners()).toEqual({ [long]: 'user:bob' });
    await commit(`DELETE FROM words`);
    expect(await owners()).toEqual({});
  });
});
