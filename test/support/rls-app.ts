import { synchroMigrations, synchroRlsSql, type RlsOptions } from 'nestjs-synchro';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { Category } from '../../sample-app/categories/category.entity.js';
import { CreateSampleTables1767225600000 } from '../../sample-app/migrations/1767225600000-create-sample-tables.js';
import { Tag } from '../../sample-app/tags/tag.entity.js';
import { Comment } from '../../sample-app/tasks/comment.entity.js';
import { TaskShare } from '../../sample-app/tasks/task-share.entity.js';
import { Task } from '../../sample-app/tasks/task.entity.js';
import type { AppOptions } from './app.js';
import type { TestDatabase } from './database.js';
import type { TestRole } from './roles.js';

/** Makes the sample app's tables, and their policies for a role in a migration of the host's. */
export async function migrateWithPolicies(database: TestDatabase, role: TestRole): Promise<void> {
  class AddRowLevelSecurity1767225600001 implements MigrationInterface {
    async up(runner: QueryRunner): Promise<void> {
      for (const sql of await synchroRlsSql(runner.dataSource, { role: role.name })) await runner.query(sql);
    }

    down(): Promise<void> {
      return Promise.resolve();
    }
  }
  const migrations = [
    ...synchroMigrations,
    CreateSampleTables1767225600000,
    AddRowLevelSecurity1767225600001,
  ];
  const dataSource = sampleDataSource(database, { migrations, migrationsRun: true });
  await dataSource.initialize();
  await dataSource.destroy();
}

/** Grants what the role of the sample app's pool needs besides. */
export async function grantForPool(database: TestDatabase, role: TestRole): Promise<void> {
  await role.grantSyncTables();
  await database.query(`GRANT SELECT ON migrations, task_shares TO ${role.name}`);
}

/** Runs the statements that an error's message asks for. */
export async function applyPolicies(
  database: TestDatabase,
  role: TestRole,
  options: Omit<RlsOptions, 'role'> = {},
): Promise<void> {
  const dataSource = await sampleDataSource(database).initialize();
  const statements = await synchroRlsSql(dataSource, { ...options, role: role.name });
  await dataSource.destroy();
  for (const sql of statements) await database.query(sql);
}

/** The sample app on a pool of the role's; its consumer connects as the superuser. */
export function onPoolOf(role: TestRole, database: TestDatabase): AppOptions {
  const replication = { ...replicationOf(database), connection: { connectionString: database.url } };
  return { database: { ...database, url: role.url }, synchro: { replication } };
}

export function replicationOf({ slotName, publicationName }: TestDatabase): {
  readonly slotName: string;
  readonly publicationName: string;
} {
  return { slotName, publicationName };
}

function sampleDataSource(
  database: TestDatabase,
  options: { migrations?: (new () => MigrationInterface)[]; migrationsRun?: boolean } = {},
): DataSource {
  const entities = [Task, TaskShare, Comment, Category, Tag];
  return new DataSource({ type: 'postgres', url: database.url, entities, ...options });
}
