import { randomUUID } from 'node:crypto';
import type { ExecutionContext, Type } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { SynchroModule, SyncTable, type SynchroOptions } from 'nestjs-synchro';
import { DeleteDateColumn, Entity, PrimaryColumn, UpdateDateColumn, type EntityTarget } from 'typeorm';
import { createTableSql } from './schema-fixtures.js';
import { startApp, type RunningApp } from './app.js';
import type { TestDatabase } from './database.js';
import { eventually } from './wait.js';

type ForRoot = Parameters<typeof SynchroModule.forRoot>[0];

/** What every synced table of these tests has. */
export abstract class SyncedRow {
  @PrimaryColumn('uuid')
  id!: string;

  @UpdateDateColumn({ name: 'updated_at', type: 'timestamptz' })
  updatedAt!: Date;

  @DeleteDateColumn({ name: 'deleted_at', type: 'timestamptz' })
  deletedAt!: Date | null;
}

/** Rows that everyone sees, by which {@link applied} knows how far the consumer is. */
@Entity('marks')
@SyncTable({ pushPolicy: 'disabled' })
class Mark extends SyncedRow {}

export interface WalAppOptions extends Partial<Omit<ForRoot, 'replication'>> {
  readonly replication?: SynchroOptions['replication'];
  /** Default: Express. */
  readonly adapter?: AbstractHttpAdapter;
  /** Of the host's module. */
  readonly controllers?: readonly Type[];
}

/**
 * An app whose synced tables are the given entities and `marks`. Users come from the `X-User-ID` header; the tables
 * must be there, but for `marks` and the sync tables.
 */
export async function startWalApp(
  database: TestDatabase,
  entities: readonly EntityTarget<unknown>[],
  { replication = {}, adapter, controllers = [], ...options }: WalAppOptions = {},
): Promise<RunningApp> {
  await database.query(createTableSql('IF NOT EXISTS marks'));
  const { slotName, publicationName } = database;
  const sync = SynchroModule.forRoot({
    userId: (context: ExecutionContext) => String(context.switchToHttp().getRequest().headers['x-user-id']),
    migrationsRun: true,
    replication: replication === false ? false : { slotName, publicationName, ...replication },
    ...options,
  });
  const typeorm = TypeOrmModule.forRoot({
    type: 'postgres',
    url: database.url,
    entities: [...entities, Mark].map((entity) => entity as typeof Mark),
    retryAttempts: 1,
  });
  return startApp({
    database,
    ...(adapter && { adapter }),
    module: { module: WalHostModule, imports: [typeorm, sync], controllers: [...controllers] },
  });
}

class WalHostModule {}

/** Resolves once the consumer has applied everything that was committed before. */
export async function applied(database: TestDatabase): Promise<void> {
  const mark = randomUUID();
  await database.query('INSERT INTO marks (id) VALUES ($1)', [mark]);
  await eventually(async () => (await edgesOf(database, 'marks', mark)).length > 0);
}

/** The buckets of a record in order; `(dead)` stands behind those that only its children inherit. */
export async function edgesOf(
  database: TestDatabase,
  table: string,
  recordId: string,
): Promise<readonly string[]> {
  const rows = await database.query<{ edge: string }>(
    `SELECT bucket_id || CASE WHEN live THEN '' ELSE ' (dead)' END AS edge
       FROM sync_bucket_edges WHERE table_name = $1 AND record_id = $2 ORDER BY bucket_id`,
    [table, recordId],
  );
  return rows.map(({ edge }) => edge);
}

/** What the changelog says of a record, in order, such as `create user:alice`. */
export async function logOf(
  database: TestDatabase,
  table: string,
  recordId: string,
): Promise<readonly string[]> {
  const rows = await database.query<{ entry: string }>(
    `SELECT (ARRAY['create', 'update', 'delete'])[operation] || ' ' || bucket_id AS entry
       FROM sync_changelog WHERE table_name = $1 AND record_id = $2 ORDER BY seq`,
    [table, recordId],
  );
  return rows.map(({ entry }) => entry);
}

/** Runs statements as one transaction. */
export async function inOneTransaction(database: TestDatabase, ...statements: string[]): Promise<void> {
  await database.query(['BEGIN', ...statements, 'COMMIT'].join(';\n'));
}

/** Where the log stands, as stored. */
export interface StoredPosition {
  readonly slot_name: string;
  readonly confirmed_lsn: string;
  readonly last_seq: string;
  readonly epoch_seq: string;
  readonly floor_seq: string;
  readonly system_id: string;
  readonly timeline: number;
}

export async function storedPosition(database: TestDatabase): Promise<StoredPosition> {
  const [position] = await database.query<StoredPosition & Record<string, unknown>>(
    'SELECT * FROM sync_wal_position',
  );
  if (!position) throw new Error('The consumer has not stored a position yet.');
  return position;
}
