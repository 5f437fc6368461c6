import { randomBytes, randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  body!: string | null;
}

@Entity('pages')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id' })
class Page extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;
}

@Entity('remarks')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id', bucketByColumn: 'doc_id', bucketPrefix: 'doc:' })
class Remark extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;
}

function insertDoc(id: string, user = 'alice'): string {
  return `INSERT INTO docs (id, user_id) VALUES ('${id}', '${user}')`;
}

function insertPage(id: string, doc: string): string {
  return `INSERT INTO pages (id, doc_id) VALUES ('${id}', '${doc}')`;
}

describe('the changelog', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL, body text'));
    await database.query(
      createTableSql('pages', 'doc_id uuid NOT NULL REFERENCES docs ON UPDATE CASCADE ON DELETE CASCADE'),
    );
    await database.query(createTableSql('remarks', 'doc_id uuid NOT NULL'));
    await database.query('ALTER TABLE docs ALTER user_id SET STORAGE EXTERNAL');
    await database.query('CREATE SCHEMA archive');
    await database.query(createTableSql('archive.docs', 'user_id text NOT NULL'));
    app = await startWalApp(database, [Doc, Page, Remark]);
    // As if another application used the publication, too.
    await database.query(`ALTER PUBLICATION "${database.publicationName}" ADD TABLE archive.docs`);
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  it('keeps the order of the changes, whatever tables they are of', async () => {
    const [first, page, second] = [randomUUID(), randomUUID(), randomUUID()];
    await commit(insertDoc(first), insertPage(page, first), insertDoc(second));
    const rows = await database.query<{ record_id: string }>(
      'SELECT record_id FROM sync_changelog WHERE record_id = ANY($1) ORDER BY seq',
      [[first, page, second]],
    );
    expect(rows.map(({ record_id: id }) => id)).toEqual([first, page, second]);
  });

  it('takes the old id away when a primary key changes, and brings the new one [W-WAL-9]', async () => {
    const [before, after, page] = [randomUUID(), randomUUID(), randomUUID()];
    const device = new Device(app.url, 'alice');
    await device.start();
    await commit(insertDoc(before), insertPage(page, before));
    await device.pull();
    await commit(`UPDATE docs SET id = '${after}' WHERE id = '${before}'`);
    expect(await edgesOf(database, 'docs', before)).toEqual([]);
    expect(await logOf(database, 'docs', before)).toEqual(['create user:alice', 'delete user:alice']);
    expect(await edgesOf(database, 'docs', after)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'pages', page)).toEqual(['user:alice']);
    await device.pull();
    expect(device.row('docs', before)).toBeUndefined();
    expect(device.row('docs', after)).toBeDefined();
    expect(device.row('pages', page)).toMatchObject({ doc_id: after });
  });

  it('has a delete in every bucket of a truncated table, and of those that the TRUNCATE cascades to [W-WAL-10]', async () => {
    const [doc, page, later] = [randomUUID(), randomUUID(), randomUUID()];
    const device = new Device(app.url, 'alice');
    await device.start();
    await commit(insertDoc(doc), insertPage(page, doc));
    await device.pull();
    expect(device.row('pages', page)).toBeDefined();
    await commit('TRUNCATE docs CASCADE', insertDoc(later));
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
    expect(await edgesOf(database, 'pages', page)).toEqual([]);
    expect(await edgesOf(database, 'docs', later)).toEqual(['user:alice']);
    expect(await logOf(database, 'pages', page)).toEqual(['create user:alice', 'delete user:alice']);
    await device.pull();
    expect([...device.rows('docs').keys()]).toEqual([later]);
    expect(device.rows('pages').size).toBe(0);
  });

  it('keeps what was written before and after a TRUNCATE in its order [W-WAL-10]', async () => {
    const doc = randomUUID();
    await commit(insertDoc(doc), 'TRUNCATE docs CASCADE', insertDoc(doc));
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect(await logOf(database, 'docs', doc)).toEqual([
      'create user:alice',
      'delete user:alice',
      'create user:alice',
    ]);
  });

  /** An owner as long as one may be, and a body that leaves no room for it in the row. */
  async function insertOutOfLine(id: string): Promise<string> {
    const user = randomBytes(600).toString('hex');
    const body = randomBytes(595).toString('hex');
    await commit(`INSERT INTO docs (id, user_id, body) VALUES ('${id}', '${user}', '${body}')`);
    return user;
  }

  it('is not misled by a bucket value that is stored out of line and was not sent again [W-WAL-11]', async () => {
    const doc = randomUUID();
    const user = await insertOutOfLine(doc);
    expect(await edgesOf(database, 'docs', doc)).toEqual([`user:${user}`]);
    await commit(`UPDATE docs SET body = 'changed' WHERE id = '${doc}'`);
    expect(await edgesOf(database, 'docs', doc)).toEqual([`user:${user}`]);
    expect(await logOf(database, 'docs', doc)).toEqual([`create user:${user}`, `update user:${user}`]);
  });

  it('keeps the buckets of a row whose value was not sent and whose row is gone by now, until its delete [W-WAL-11]', async () => {
    const doc = randomUUID();
    const user = await insertOutOfLine(doc);
    await commit(
      `UPDATE docs SET body = 'changed' WHERE id = '${doc}'`,
      `DELETE FROM docs WHERE id = '${doc}'`,
    );
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
    expect(await logOf(database, 'docs', doc)).toEqual([
      `create user:${user}`,
      `update user:${user}`,
      `delete user:${user}`,
    ]);
  });

  it('takes a deleted row out of every bucket that it was in, by its key alone [W-WAL-12]', async () => {
    const doc = randomUUID();
    await commit(insertDoc(doc));
    await commit(`DELETE FROM docs WHERE id = '${doc}'`);
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice', 'delete user:alice']);

    const [other, remark] = [randomUUID(), randomUUID()];
    const buckets = [`doc:${other}`, 'user:alice'];
    await commit(insertDoc(other), `INSERT INTO remarks (id, doc_id) VALUES ('${remark}', '${other}')`);
    expect(await edgesOf(database, 'remarks', remark)).toEqual(buckets);
    await commit(`DELETE FROM remarks WHERE id = '${remark}'`);
    expect(await edgesOf(database, 'remarks', remark)).toEqual([]);
    expect((await logOf(database, 'remarks', remark)).toSorted()).toEqual(
      ['create', 'delete'].flatMap((operation) => buckets.map((bucket) => `${operation} ${bucket}`)),
    );
  });

  it('brings a row that was deleted and inserted again to devices, even if its updated_at is the old one [interleaving 12]', async () => {
    const doc = randomUUID();
    const device = new Device(app.url, 'alice');
    await device.start();
    await commit(insertDoc(doc));
    await device.pull();
    await commit(
      `CREATE TEMP TABLE saved ON COMMIT DROP AS SELECT * FROM docs WHERE id = '${doc}'`,
      `DELETE FROM docs WHERE id = '${doc}'`,
      `UPDATE saved SET body = 'changed'`,
      'INSERT INTO docs SELECT * FROM saved',
    );
    await device.pull();
    expect(device.row('docs', doc)).toMatchObject({ body: 'changed' });
  });

  it('says nothing of a row that comes and goes in no bucket [W-WAL-12]', async () => {
    const doc = randomUUID();
    await commit(insertDoc(doc, ''));
    await commit(`DELETE FROM docs WHERE id = '${doc}'`);
    expect(await logOf(database, 'docs', doc)).toEqual([]);
  });

  it('does not mix up a table with one of the same name in another schema [W-WAL-14]', async () => {
    const doc = randomUUID();
    await commit(`INSERT INTO archive.docs (id, user_id) VALUES ('${doc}', 'alice')`);
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
    await commit(insertDoc(doc, 'alice'));
    await commit(`DELETE FROM archive.docs WHERE id = '${doc}'`);
    await commit('TRUNCATE archive.docs');
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice']);
  });

  it('follows a table with REPLICA IDENTITY FULL like any other', async () => {
    await database.query('ALTER TABLE docs REPLICA IDENTITY FULL');
    const [doc, renamed] = [randomUUID(), randomUUID()];
    await commit(insertDoc(doc));
    await commit(`UPDATE docs SET user_id = 'bob' WHERE id = '${doc}'`);
    await commit(`UPDATE docs SET id = '${renamed}' WHERE id = '${doc}'`);
    await commit(`DELETE FROM docs WHERE id = '${renamed}'`);
    await database.query('ALTER TABLE docs REPLICA IDENTITY DEFAULT');
    expect(await logOf(database, 'docs', doc)).toEqual([
      'create user:alice',
      'delete user:alice',
      'create user:bob',
      'delete user:bob',
    ]);
    expect(await logOf(database, 'docs', renamed)).toEqual(['create user:bob', 'delete user:bob']);
  });

  it('goes on after columns were added, dropped and put in another order', async () => {
    const doc = randomUUID();
    await commit(
      'ALTER TABLE docs ADD COLUMN extra text, DROP COLUMN body',
      insertDoc(doc, 'carol'),
      'ALTER TABLE docs ADD COLUMN body text',
    );
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:carol']);
    await commit(`UPDATE docs SET user_id = 'alice' WHERE id = '${doc}'`);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
  });
});
