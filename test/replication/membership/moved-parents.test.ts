import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Client } from 'pg';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningApp } from '../../support/app.js';
import { consumerWaits } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import { applied, edgesOf, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('folders')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team', bucketPrefix: 'team:' })
class Folder extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text')
  team!: string;
}

@Entity('doc_shares')
class DocShare {
  @PrimaryColumn('uuid', { name: 'doc_id' })
  docId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;
}

@Entity('docs')
@SyncTable({
  parent: () => Folder,
  parentFkColumn: 'folder_id',
  bucketFunction: 'public.doc_buckets',
  bucketSources: [{ entity: () => DocShare, fkColumn: 'doc_id' }],
})
class Doc extends SyncedRow {
  @Column('uuid', { name: 'folder_id' })
  folderId!: string;
}

/** A row that is resolved again is read as it is now; the log brings what its parents became later. */
describe('a row that is resolved ahead of the log [W-HOST-92]', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('folders', 'user_id text NOT NULL, team text NOT NULL'));
    await database.query(createTableSql('docs', 'folder_id uuid NOT NULL REFERENCES folders'));
    await database.query(`
      CREATE TABLE doc_shares (doc_id uuid, user_id text, PRIMARY KEY (doc_id, user_id));
      CREATE FUNCTION doc_buckets(table_name text, operation text, new_row jsonb, old_row jsonb)
      RETURNS SETOF text LANGUAGE sql STABLE SET search_path = public AS $$
        SELECT 'user:' || user_id FROM doc_shares WHERE doc_id = (new_row ->> 'id')::uuid
      $$`);
    // Each transaction is applied by itself.
    const replication = { batchRows: 1, maxBatchRows: 1 };
    app = await startWalApp(database, [Folder, DocShare, Doc], { replication });
  });
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function newFolder(team: string): Promise<string> {
    const id = randomUUID();
    await database.query(`INSERT INTO folders (id, user_id, team) VALUES ($1, 'alice', $2)`, [id, team]);
    return id;
  }

  /** Runs statements, each committed by itself, before the consumer applies the first. */
  async function aheadOfLog(work: () => Promise<void>): Promise<void> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('BEGIN; SELECT FROM sync_wal_position FOR UPDATE');
      await work();
      await consumerWaits(database);
    } finally {
      await client.end();
    }
    await applied(database);
  }

  it.each(['live', 'deleted'])('is not told to who had read its new parent before: %s', async (state) => {
    const [here, there, doc] = [await newFolder('red'), await newFolder('blue'), randomUUID()];
    const deletedAt = state === 'deleted' ? 'now()' : 'NULL';
    await database.query(`INSERT INTO docs (id, folder_id, deleted_at) VALUES ($1, $2, ${deletedAt})`, [
      doc,
      here,
    ]);
    await applied(database);
    await aheadOfLog(async () => {
      await database.query(`INSERT INTO doc_shares VALUES ($1, 'carol')`, [doc]);
      await database.query(`UPDATE folders SET team = 'green' WHERE id = $1`, [there]);
      await database.query(`UPDATE docs SET folder_id = $2 WHERE id = $1`, [doc, there]);
    });
    expect((await logOf(database, 'docs', doc)).filter((entry) => entry.endsWith('blue'))).toEqual([]);
    const dead = state === 'deleted' ? ' (dead)' : '';
    expect(await edgesOf(database, 'docs', doc)).toEqual([`team:green${dead}`, `user:carol${dead}`]);
  });

  it('is not told of as a new row, either', async () => {
    const [there, doc] = [await newFolder('blue'), randomUUID()];
    await applied(database);
    await aheadOfLog(async () => {
      await database.query(`INSERT INTO doc_shares VALUES ($1, 'carol')`, [doc]);
      await database.query(`UPDATE folders SET team = 'green' WHERE id = $1`, [there]);
      await database.query('INSERT INTO docs (id, folder_id) VALUES ($1, $2)', [doc, there]);
    });
    expect((await logOf(database, 'docs', doc)).filter((entry) => entry.endsWith('blue'))).toEqual([]);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['team:green', 'user:carol']);
  });
});
