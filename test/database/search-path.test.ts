import { randomBytes, randomUUID } from 'node:crypto';
import { getDataSourceToken } from '@nestjs/typeorm';
import { SyncEngine, SyncOperations, synchroMigrationsSql, synchroRlsSql, SyncTable } from 'nestjs-synchro';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { Column, DataSource, Entity } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { testRun } from '../support/run.js';
import type { RunningApp } from '../support/app.js';
import { eventually } from '../support/wait.js';
import { startWalApp, SyncedRow, type WalAppOptions } from '../support/wal-app.js';

@Entity('folders')
@SyncTable({ ownerColumn: 'user_id' })
class Folder extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  mood!: string | null;
}

@Entity('notes')
@SyncTable({ parent: () => Folder, parentFkColumn: 'folder_id' })
class Note extends SyncedRow {
  @Column('uuid', { name: 'folder_id' })
  folderId!: string;
}

@Entity('papers')
@SyncTable({ ownerColumn: 'user_id', bucketFunction: 'paper_buckets' })
class Paper extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

let database: TestDatabase;
let role: string;
let roleUrl: string;

beforeEach(async () => {
  database = await createDatabase();
  role = `${testRun().prefix}_path_${randomBytes(3).toString('hex')}`;
  const password = randomBytes(8).toString('hex');
  await database.query(
    `CREATE ROLE ${escapeIdentifier(role)} LOGIN REPLICATION PASSWORD ${escapeLiteral(password)}`,
  );
  await database.query(
    `GRANT CREATE ON DATABASE ${escapeIdentifier(database.name)} TO ${escapeIdentifier(role)}`,
  );
  const url = new URL(database.url);
  [url.username, url.password] = [role, password];
  roleUrl = url.href;
});

afterEach(async () => {
  await database.drop();
  await withClient(testRun().serverUrl, async (client) => {
    await client.query(`DROP ROLE IF EXISTS ${escapeIdentifier(`${role}_push`)}`);
    await client.query(`DROP ROLE ${escapeIdentifier(role)}`);
  });
});

/** The host's tables in a schema, made and owned by the role, with a type of their own there. */
async function createTables(schema: string): Promise<void> {
  await withClient(roleUrl, async (client) => {
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${escapeIdentifier(schema)}`);
    await client.query(`SET search_path = ${escapeIdentifier(schema)}`);
    await client.query(`CREATE TYPE mood AS ENUM ('fine', 'sad')`);
    await client.query(createTableSql('folders', 'user_id text NOT NULL, mood mood'));
    await client.query(createTableSql('notes', 'folder_id uuid NOT NULL REFERENCES folders'));
    // startWalApp makes it where it isn't: not along this path.
    await client.query(createTableSql('marks'));
  });
}

async function start(
  options: WalAppOptions = {},
  entities: Parameters<typeof startWalApp>[1] = [Folder, Note],
): Promise<RunningApp> {
  // The marks of these tests are those of the role's own schema.
  const own = { ...database, url: roleUrl, query: () => Promise.resolve([]) };
  return startWalApp(own, entities, options);
}

/** Register, snapshot, push, pull, a write of the host's followed, compaction, and what else has SQL of its own. */
async function mainJob(app: RunningApp, schema: string): Promise<void> {
  const engine = app.app.get(SyncEngine);
  const [phone, tablet] = [new Device(app.url, 'alice'), new Device(app.url, 'alice')];
  await phone.start();
  await tablet.start();
  const folder = phone.create('folders', { user_id: 'alice', mood: 'sad' });
  const note = phone.create('notes', { folder_id: folder });
  const lost = phone.create('notes', { folder_id: randomUUID() });
  expect(await phone.pushPending()).toMatchObject([{ rejected: [] }]);
  await engine.caughtUp();
  await tablet.pull();
  expect(tablet.row('folders', folder)).toMatchObject({ mood: 'sad' });
  expect(tablet.row('notes', note)).toBeDefined();
  expect(tablet.row('notes', lost)).toBeUndefined();
  await database.query(
    `UPDATE ${escapeIdentifier(schema)}.folders SET mood = 'fine', updated_at = now() + interval '1 s' WHERE id = $1`,
    [folder],
  );
  await engine.reresolve(Folder, [folder]);
  await engine.caughtUp();
  await phone.pull();
  expect(phone.row('folders', folder)).toMatchObject({ mood: 'fine' });
  phone.update('folders', folder, { mood: 'sad' });
  phone.delete('notes', note);
  expect(await phone.pushPending()).toMatchObject([{ rejected: [] }]);
  await engine.caughtUp();
  await tablet.pull();
  expect(tablet.row('folders', folder)).toMatchObject({ mood: 'sad' });
  expect(tablet.row('notes', note)).toBeUndefined();
  const operations = app.app.get(SyncOperations);
  expect(await operations.parkedRows()).toMatchObject([{ recordId: lost }]);
  expect(await operations.ruleFailures()).toEqual([]);
  await operations.waitingRows();
  await operations.replayRuleFailures();
  await operations.retryParkedRow({ userId: 'alice', table: 'notes', recordId: lost });
  await operations.discardParkedRow({ userId: 'alice', table: 'notes', recordId: lost });
  await engine.runCompaction();
  expect(await engine.clients('alice')).toHaveLength(2);
  expect(await engine.revokeClient('alice', phone.clientId)).toBe(true);
}

async function schemasOfSyncTables(): Promise<readonly unknown[]> {
  const rows = await database.query<{ schema: string }>(
    `SELECT DISTINCT relnamespace::regnamespace::text AS schema FROM pg_class WHERE relname LIKE 'sync\\_%' AND relkind = 'r'`,
  );
  return rows.map(({ schema }) => schema.replaceAll('"', ''));
}

describe('the search path decides nothing', () => {
  it("with the tables in the schema of the role's own name, and a role for pushes [W-HOST-20]", async () => {
    await createTables(role);
    const push = `${role}_push`;
    await database.query(`CREATE ROLE ${escapeIdentifier(push)} NOLOGIN`);
    await database.query(`GRANT ${escapeIdentifier(push)} TO ${escapeIdentifier(role)}`);
    const first = await start({ compaction: {} });
    const dataSource = first.app.get<DataSource>(getDataSourceToken(), { strict: false });
    for (const statement of await synchroRlsSql(dataSource, { role: push }))
      await dataSource.query(statement);
    await first.close();
    const app = await start({ pushRole: push, compaction: {} });
    await mainJob(app, role);
    expect(await schemasOfSyncTables()).toEqual([role]);
    await app.close();
  });

  it.each(['pg_catalog', 'elsewhere, pg_temp', `''`])(
    'when the host leaves "SET search_path = %s" on every pooled connection [W-HOST-20]',
    async (path) => {
      await createTables(role);
      const app = await start({ compaction: {} });
      const dataSource = app.app.get<DataSource>(getDataSourceToken(), { strict: false });
      const { master } = dataSource.driver as unknown as { master: Pool };
      // Each time that the host takes a connection.
      const connect = master.connect.bind(master);
      master.connect = (callback: Callback) =>
        connect((error: Error | undefined, client: Pooled, release: unknown) => {
          if (error) return callback(error, client, release);
          client.query(`SET search_path = ${path}`, (failed) =>
            callback(failed ?? undefined, client, release),
          );
        });
      const [shown] = await dataSource.query<{ search_path: string }[]>('SHOW search_path');
      expect(shown?.search_path).toBe(path === `''` ? '""' : path);
      await mainJob(app, role);
      await app.close();
    },
  );

  it("with a schema that the DataSource's option names, in capitals and with a quote [W-HOST-20]", async () => {
    const schema = `It's "Mine"`;
    await createTables(schema);
    const dataSource = new DataSource({ type: 'postgres', url: roleUrl, schema, entities: [Folder, Note] });
    await dataSource.initialize();
    for (const statement of synchroMigrationsSql({ schema })) await dataSource.query(statement);
    await dataSource.destroy();
    expect(await database.query(`SELECT count(*)::int AS n FROM "It's ""Mine""".sync_migrations`)).toEqual([
      { n: 1 },
    ]);
  });

  it('of the function that says which buckets a row is in [W-HOST-20]', async () => {
    await createTables(role);
    await withClient(roleUrl, async (client) => {
      await client.query(createTableSql('papers', 'user_id text NOT NULL'));
      await client.query(
        `CREATE FUNCTION paper_buckets(text, text, new_row jsonb, jsonb) RETURNS SETOF text LANGUAGE sql
           AS $$ SELECT 'user:' || (new_row ->> 'user_id') $$`,
      );
    });
    const app = await start({}, [Paper]);
    await database.query(`ALTER ROLE ${escapeIdentifier(role)} SET search_path = ''`);
    await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE usename = $1 AND datname = current_database() AND pid <> pg_backend_pid()`,
      [role],
    );
    const id = randomUUID();
    await database.query(`INSERT INTO ${escapeIdentifier(role)}.papers (id, user_id) VALUES ($1, 'alice')`, [
      id,
    ]);
    const paper = async (): Promise<readonly unknown[]> =>
      database.query(
        `SELECT bucket_id FROM ${escapeIdentifier(role)}.sync_bucket_edges WHERE record_id = $1`,
        [id],
      );
    await eventually(async () => expect(await paper()).toEqual([{ bucket_id: 'user:alice' }]));
    await app.close();
  });

  it('and where there is no schema at all, the start says what to do [W-HOST-21]', async () => {
    await createTables('app');
    await database.query(`ALTER ROLE ${escapeIdentifier(role)} SET search_path = ''`);
    const failed = await start().then(
      async (app) => app.close().then(() => new Error('it started')),
      (error: Error) => error,
    );
    expect(failed).toMatchObject({ code: 'configuration_invalid' });
    expect(failed.message).toContain('there is no schema for the sync tables');
    expect(failed.message).toContain('option schema of the DataSource');
  });
});

type Callback = (error: Error | undefined, client: Pooled, release: unknown) => void;
interface Pooled {
  query(sql: string, callback: (error: Error | null) => void): void;
}
interface Pool {
  connect(callback: Callback): void;
}
