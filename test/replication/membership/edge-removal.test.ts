import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConsumerClient } from '../../../lib/replication/slot/consumer-connection.js';
import type { SyncTable } from '../../../lib/registry/sync-table.js';
import { removeOrphans } from '../../../lib/replication/membership/edge-removal.js';
import { ChangelogTransaction } from '../../../lib/store/changelog/changelog-transaction.js';
import { synchroMigrationsSql } from '../../../lib/store/migrations/index.js';
import { startEpoch } from '../../../lib/store/changelog/wal-position.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { edgesOf, logOf } from '../../support/wal-app.js';

const DOCS = { name: 'docs', sql: 'docs', idColumn: 'id' } as SyncTable;

let database: TestDatabase;
let client: Client;

beforeAll(async () => {
  database = await createDatabase();
  for (const statement of synchroMigrationsSql()) await database.query(statement);
  await database.query('CREATE TABLE docs (id uuid PRIMARY KEY)');
  client = new ConsumerClient({ connectionString: database.url, pipeline: true, schema: 'public' });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

it('a row that goes while the edges of others are removed keeps its own until its delete comes', async () => {
  const [gone, going] = [randomUUID(), randomUUID()];
  const start = await startEpoch(
    client,
    { slotName: 'slot', confirmedLsn: 100n, systemId: 'system', timeline: 1 },
    null,
  );
  await database.query('INSERT INTO docs (id) VALUES ($1)', [going]);
  // As somebody else's DELETE that is committed after the first look.
  await database.query(`CREATE FUNCTION delete_docs() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN DELETE FROM docs; RETURN NULL; END $$`);
  await database.query(`CREATE TRIGGER delete_docs AFTER INSERT ON sync_changelog
    FOR EACH STATEMENT EXECUTE FUNCTION delete_docs()`);
  const tx = await ChangelogTransaction.begin(client, start);
  tx.writeEdges(
    'insert',
    [gone, going].map((recordId) => ({
      table: 'docs',
      recordId,
      bucket: 'user:alice',
      live: true,
      rowUpdatedAt: null,
      parentId: null,
    })),
  );
  expect(await removeOrphans(tx, DOCS)).toBe(true);
  await tx.commit().durable;
  expect(await logOf(database, 'docs', gone)).toEqual(['delete user:alice']);
  expect(await edgesOf(database, 'docs', gone)).toEqual([]);
  expect(await logOf(database, 'docs', going)).toEqual([]);
  expect(await edgesOf(database, 'docs', going)).toEqual(['user:alice']);
});
