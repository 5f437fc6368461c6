import { randomUUID } from 'node:crypto';
import { SyncEngine, SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { withPausedConsumer } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { applied, edgesOf, inOneTransaction, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

@Entity('pages')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id', ownerColumn: 'author' })
class Page extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;

  @Column('text', { nullable: true })
  author!: string | null;
}

let database: TestDatabase;
let app: RunningApp;

afterEach(async () => {
  await app.close();
  await database.drop();
});

/** A page has the key of its doc. */
function inserting(table: 'docs' | 'pages', id: string, user: string): string {
  return table === 'docs'
    ? `INSERT INTO docs (id, user_id) VALUES ('${id}', '${user}')`
    : `INSERT INTO pages (id, doc_id, author) VALUES ('${id}', '${id}', '${user}')`;
}

async function consumers(): Promise<readonly object[]> {
  return database.query(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'nestjs-synchro'`,
  );
}

/** Batches of one source transaction each, or of all that has come. */
describe.each([
  ['one by one', 1],
  ['together', 2_000],
])('an inserted row, changes applied %s,', (_, rows) => {
  async function start(): Promise<void> {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL, n serial NOT NULL UNIQUE'));
    await database.query(createTableSql('pages', 'doc_id uuid NOT NULL, author text'));
    const replication = { batchRows: rows, maxBatchRows: rows };
    app = await startWalApp(database, [Doc, Page], { replication });
    // From here on the stream tells of what nobody has looked at.
    await applied(database);
  }

  it('that was deleted before without a name leaves its former buckets', async () => {
    await start();
    const id = randomUUID();
    await database.query(inserting('docs', id, 'alice'));
    await database.query('ALTER TABLE docs REPLICA IDENTITY USING INDEX docs_n_key');
    await applied(database);
    await inOneTransaction(database, 'DELETE FROM docs', inserting('docs', id, 'bob'));
    await applied(database);
    expect(await edgesOf(database, 'docs', id)).toEqual(['user:bob']);
  });

  it('that was deleted before leaves them, too, whatever comes between', async () => {
    await start();
    const ids = [randomUUID(), randomUUID()];
    for (const id of ids) await database.query(inserting('docs', id, 'alice'));
    await applied(database);
    await withPausedConsumer(database, async () => {
      for (const id of ids) {
        await database.query('DELETE FROM docs WHERE id = $1', [id]);
        await database.query(inserting('docs', id, 'bob'));
        await database.query('DELETE FROM docs WHERE id = $1', [id]);
        await database.query(inserting('docs', id, 'carol'));
      }
    });
    await applied(database);
    for (const id of ids) expect(await edgesOf(database, 'docs', id)).toEqual(['user:carol']);
  });

  it('that was resolved ahead of the stream ends in the buckets that it has', async () => {
    await start();
    const before = await consumers();
    const ids = Array.from({ length: 4 }, () => randomUUID());
    const [moved = '', kept = '', truncated = '', other = ''] = ids;
    await withPausedConsumer(database, async () => {
      // What is truncated has the pages read, which come later in the same transaction.
      await inOneTransaction(
        database,
        ...[moved, kept].map((id) => inserting('docs', id, 'alice')),
        'TRUNCATE docs',
        ...[truncated, other].map((id) => inserting('docs', id, 'bob')),
        ...ids.map((id) => inserting('pages', id, 'carol')),
      );
      await app.app.get(SyncEngine, { strict: false }).reresolve(Doc);
      await database.query(`UPDATE docs SET user_id = 'dave' WHERE id = $1`, [other]);
      await database.query(`UPDATE pages SET author = 'erin' WHERE id = $1`, [moved]);
    });
    await applied(database);
    await app.app.get(SyncEngine, { strict: false }).caughtUp();
    expect(await consumers(), 'none had to begin anew').toEqual(before);
    expect(await edgesOf(database, 'docs', truncated)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'docs', other)).toEqual(['user:dave']);
    expect(await edgesOf(database, 'docs', kept)).toEqual([]);
    expect(await edgesOf(database, 'pages', moved)).toEqual(['user:erin']);
    expect(await edgesOf(database, 'pages', kept)).toEqual(['user:carol']);
    expect(await edgesOf(database, 'pages', truncated)).toEqual(['user:bob', 'user:carol']);
    expect(await edgesOf(database, 'pages', other)).toEqual(['user:carol', 'user:dave']);
  });
});
