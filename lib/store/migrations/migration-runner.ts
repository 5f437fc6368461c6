import type { DataSource } from 'typeorm';
import type { SynchroProblem } from '../../common/errors.js';
import { isRetryable } from '../../database/database-error.js';
import { inTransaction, UNLIMITED } from '../../database/session.js';
import { syncSchema } from '../../database/sync-schema.js';
import { LATEST_MIGRATION, synchroMigrationsSql } from './index.js';

const MIGRATION_LOCK = 91_110_045;

/** Of an instance that is at work, in whatever order it takes its tables. */
const MOST_DEADLOCKS = 5;

/** Runs the migrations in one transaction; instances that start together wait for each other. */
export async function runMigrations(dataSource: DataSource): Promise<void> {
  for (let deadlocks = 0; ; deadlocks++) {
    try {
      await runOnce(dataSource);
      return;
    } catch (error) {
      if (!isRetryable(error) || deadlocks >= MOST_DEADLOCKS) throw error;
    }
  }
}

async function runOnce(dataSource: DataSource): Promise<void> {
  await inTransaction(
    dataSource,
    'write',
    async (manager) => {
      await manager.query('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
      for (const statement of synchroMigrationsSql({ schema: syncSchema(dataSource) }))
        await manager.query(statement);
    },
    UNLIMITED,
  );
}

/** Tells when the sync tables are missing or older than this version. */
export async function migrationProblems(dataSource: DataSource): Promise<readonly SynchroProblem[]> {
  const applied = await inTransaction(dataSource, 'read', async (manager) => {
    const ledger: { present: boolean }[] = await manager.query(
      `SELECT to_regclass(':sync.sync_migrations') IS NOT NULL AS present`,
    );
    if (ledger[0]?.present !== true) return [];
    return manager.query<{ number: number }[]>(
      'SELECT coalesce(max(number), 0)::int AS number FROM :sync.sync_migrations',
    );
  });
  const number = applied[0]?.number ?? 0;
  if (number >= LATEST_MIGRATION) return [];
  return [
    {
      code: 'configuration_invalid',
      entity: 'SynchroModule',
      option: 'migrationsRun',
      message: `the sync tables in schema ${syncSchema(dataSource)} are at migration ${number} of ${LATEST_MIGRATION}`,
      fix: "add ...synchroMigrations to the DataSource's migrations and run them, or set migrationsRun: true in SynchroModule.forRoot().",
    },
  ];
}
