import type { MigrationInterface, QueryRunner } from 'typeorm';
import { qualify, syncSchema, unqualified } from '../../database/sync-schema.js';
import { syncTables } from './0001-sync-tables.js';
import type { SynchroMigration } from './migration.js';
import { dataSourceOf } from '../../database/typeorm-versions.js';

const MIGRATIONS: readonly SynchroMigration[] = [syncTables];

/** The highest migration number: what the database must have before the app may start. */
export const LATEST_MIGRATION = MIGRATIONS.length;

const LEDGER = `CREATE TABLE IF NOT EXISTS :sync.sync_migrations (
       number integer PRIMARY KEY,
       name text NOT NULL,
       applied_at timestamptz NOT NULL DEFAULT now()
     )`;

/**
 * The sync tables' migrations for a TypeORM `DataSource`: `migrations: [...synchroMigrations, ...yours]`.
 * Each can run twice without harm, and in whichever of the three ways (TypeORM, printed SQL, the module).
 */
export const synchroMigrations: readonly (new () => MigrationInterface)[] = MIGRATIONS.map(typeormMigration);

export interface MigrationsSqlOptions {
  /**
   * Where the sync tables are to be: the DataSource's option `schema`, or else the first one of its role's search path.
   * Default: the statements name no schema, so that of the tool that runs them decides.
   */
  readonly schema?: string;
}

/** The same migrations as SQL statements, for any other migration tool. */
export function synchroMigrationsSql({ schema }: MigrationsSqlOptions = {}): readonly string[] {
  const statements = MIGRATIONS.flatMap(upStatements);
  return statements.map((sql) => (schema === undefined ? unqualified(sql) : qualify(sql, schema)));
}

function upStatements(migration: SynchroMigration): readonly string[] {
  return [
    LEDGER,
    ...migration.up,
    `INSERT INTO :sync.sync_migrations (number, name) VALUES (${migration.number}, '${migration.name}')
     ON CONFLICT (number) DO NOTHING`,
  ];
}

function typeormMigration(migration: SynchroMigration): new () => MigrationInterface {
  return class implements MigrationInterface {
    // TypeORM orders migrations by the 13-digit time stamp at the end of their names.
    readonly name = `NestjsSynchro${1_700_000_000_000 + migration.number}`;

    async up(runner: QueryRunner): Promise<void> {
      const schema = syncSchema(dataSourceOf(runner.manager));
      for (const statement of upStatements(migration)) await runner.query(qualify(statement, schema));
    }

    async down(runner: QueryRunner): Promise<void> {
      const schema = syncSchema(dataSourceOf(runner.manager));
      for (const statement of migration.down) await runner.query(qualify(statement, schema));
      await runner.query(qualify('DELETE FROM :sync.sync_migrations WHERE number = $1', schema), [
        migration.number,
      ]);
    }
  };
}
