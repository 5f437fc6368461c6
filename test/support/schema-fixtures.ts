import { DataSource } from 'typeorm';
import { quoteRelation } from '../../lib/common/identifiers.js';
import { SyncRegistry } from '../../lib/registry/sync-registry.js';
import type { SyncTable } from '../../lib/registry/sync-table.js';
import { SchemaService } from '../../lib/schema/schema.service.js';
import { synchroMigrationsSql } from '../../lib/store/migrations/index.js';
import { createDatabase, type TestDatabase } from './database.js';

/** A database with the sync tables, and a pool of TypeORM's on it. */
export interface SchemaFixture {
  readonly db: TestDatabase;
  readonly dataSource: DataSource;
  /** As another instance of the app would have it. */
  service(...tables: readonly SyncTable[]): SchemaService;
  close(): Promise<void>;
}

export async function schemaFixture(): Promise<SchemaFixture> {
  const db = await createDatabase();
  const dataSource = await new DataSource({ type: 'postgres', url: db.url, poolSize: 5 }).initialize();
  for (const statement of synchroMigrationsSql()) await db.query(statement);
  return {
    db,
    dataSource,
    service: (...tables) => new SchemaService(new SyncRegistry(tables), dataSource),
    close: async () => {
      await dataSource.destroy();
      await db.drop();
    },
  };
}

/** A push-disabled table with conventional column names, unless told otherwise. */
export function readOnly(name: string, overrides: Partial<SyncTable> = {}): SyncTable {
  const schema = overrides.schema ?? 'public';
  return {
    name,
    entity: name,
    schema,
    sql: quoteRelation(schema, name),
    pushPolicy: 'disabled',
    idColumn: 'id',
    clientKeys: false,
    updatedAtColumn: 'updated_at',
    deletedAtColumn: 'deleted_at',
    versionColumn: null,
    ownerColumn: null,
    parent: null,
    parentFkColumn: null,
    dependencies: [],
    syncColumns: null,
    hiddenColumns: [],
    unserializedColumns: [],
    protectedColumns: new Set(['id', 'updated_at', 'deleted_at']),
    bucketByColumn: null,
    bucketPrefix: null,
    writeBuckets: 'readable',
    globalWhenBucketNull: false,
    allowGlobalRead: false,
    bucketFunction: null,
    bucketSources: [],
    members: null,
    writeFunction: null,
    depth: 0,
    ...overrides,
  };
}

/** A table whose rows belong to the user of `user_id`. */
export function owned(name: string, overrides: Partial<SyncTable> = {}): SyncTable {
  return readOnly(name, {
    pushPolicy: 'owner_only',
    ownerColumn: 'user_id',
    bucketByColumn: 'user_id',
    bucketPrefix: 'user:',
    protectedColumns: new Set(['id', 'user_id', 'updated_at', 'deleted_at']),
    ...overrides,
  });
}

/** `CREATE TABLE` with key and timestamps; further columns as SQL. */
export function createTableSql(relation: string, columns = ''): string {
  return `CREATE TABLE ${relation} (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ${columns === '' ? '' : `${columns},`}
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
  )`;
}
