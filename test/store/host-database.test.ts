import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SynchroModule, synchroMigrationsSql, UserIdHeaderGuard } from 'nestjs-synchro';
import { caughtUp, SyncDevice } from 'nestjs-synchro/testing';
import { DataSource } from 'typeorm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Category } from '../../sample-app/categories/category.entity.js';
import { Tag } from '../../sample-app/tags/tag.entity.js';
import { startApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

/** The reference's tables and columns (docs/internals/architecture.md#the-tables). */
const REFERENCE: Readonly<Record<string, readonly string[]>> = {
  sync_changelog: ['seq', 'bucket_id', 'table_name', 'record_id', 'operation', 'created_at'],
  sync_clients:
    'id,user_id,client_id,client_name,platform,app_version,bucket_subs,last_sync_at,last_pull_at,last_push_at,last_pull_seq,is_active,created_at,updated_at'.split(
      ',',
    ),
  sync_wal_position: ['slot_name', 'confirmed_lsn', 'updated_at'],
  sync_bucket_edges: ['table_name', 'record_id', 'bucket_id', 'updated_at'],
  sync_rule_failures: ['id', 'table_name', 'record_id', 'operation', 'error_text', 'payload', 'created_at'],
  sync_schema_manifest: ['schema_version', 'schema_hash', 'created_at'],
};

describe("the host's database", () => {
  let database: TestDatabase;
  let other: TestDatabase;

  beforeEach(async () => {
    [database, other] = await Promise.all([createDatabase(), createDatabase()]);
    for (const { url } of [database, other]) {
      const made = new DataSource({ type: 'postgres', url, entities: [Category, Tag], synchronize: true });
      await made.initialize();
      await made.destroy();
    }
  });

  afterEach(() => Promise.all([database.drop(), other.drop()]));

  function module(options: { readonly migrationsRun: boolean }): new () => object {
    const { slotName, publicationName } = database;
    @Module({
      imports: [
        TypeOrmModule.forRoot({ type: 'postgres', url: other.url, entities: [Category, Tag] }),
        TypeOrmModule.forRoot({ name: 'synced', type: 'postgres', url: database.url, entities: [Tag] }),
        SynchroModule.forRoot({
          dataSource: 'synced',
          guards: [UserIdHeaderGuard()],
          replication: { slotName, publicationName },
          ...options,
        }),
      ],
    })
    class HostModule {}
    return HostModule;
  }

  it('is that of the DataSource that the option dataSource names', async () => {
    const app = await startApp({ database, module: module({ migrationsRun: true }) });
    const phone = new SyncDevice({ target: `${app.url}/sync`, headers: { 'x-user-id': 'alice' } });
    await phone.start();
    await phone.create('tags', { name: 'mine' });
    await caughtUp(app.app);
    await phone.pull();
    expect([...phone.rows('tags').values()]).toMatchObject([{ name: 'mine', user_id: 'alice' }]);
    expect(await other.query('SELECT FROM tags')).toEqual([]);
    expect(await other.query(`SELECT to_regclass('sync_clients') AS name`)).toEqual([{ name: null }]);
    await app.close();
  });

  it('may get the sync tables as SQL by any tool, also twice', async () => {
    const statements = [...synchroMigrationsSql(), ...synchroMigrationsSql()];
    for (const statement of statements) await database.query(statement);
    const app = await startApp({ database, module: module({ migrationsRun: false }) });
    await app.close();
  });

  it.each(Object.entries(REFERENCE))(
    'has the table %s with the columns of the reference',
    async (table, columns) => {
      for (const statement of synchroMigrationsSql()) await database.query(statement);
      const rows = await database.query('SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass', [
        table,
      ]);
      expect(rows.map((row) => row['attname'])).toEqual(expect.arrayContaining([...columns]));
    },
  );
});
