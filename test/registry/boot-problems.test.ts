import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import {
  bucketOf,
  SubscriptionResolver,
  SyncEngine,
  SynchroError,
  SynchroModule,
  SyncTable,
} from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { send } from '../support/wire.js';
import { startWalApp, SyncedRow, type WalAppOptions } from '../support/wal-app.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'nobody' })
class Task extends SyncedRow {}

@Entity('notes')
@SyncTable({ pushPolicy: 'disabled' })
class Note extends SyncedRow {}

@Entity('boards')
@SyncTable({ ownerColumn: 'user_id', bucketByColumn: 'team_id', bucketPrefix: 'team:' })
class Board extends SyncedRow {
  @Column('text')
  user_id!: string;

  @Column('text')
  team_id!: string;
}

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
  await database.query(createTableSql('tasks', 'user_id text'));
  await database.query(createTableSql('notes'));
  await database.query(createTableSql('boards', 'user_id text NOT NULL, team_id text NOT NULL'));
});
afterAll(() => database.drop());
afterEach(() => vi.restoreAllMocks());

async function failure(
  entities: Parameters<typeof startWalApp>[1],
  options?: WalAppOptions,
): Promise<SynchroError> {
  const error: unknown = await startWalApp(database, entities, options).then(
    async (app) => app.close().then(() => new Error('it started')),
    (reason: unknown) => reason,
  );
  if (error instanceof SynchroError) return error;
  throw error;
}

/** What an app warns of at its start. */
async function warnings(options?: WalAppOptions): Promise<readonly string[]> {
  const warn = vi.spyOn(Logger.prototype, 'warn');
  const app = await startWalApp(database, [Board, Note], options);
  await app.close();
  return warn.mock.calls.map(([message]) => String(message));
}

describe('a start with several problems', () => {
  it('reports all of them in one error: of entities, options, tables and server', async () => {
    await database.query('ALTER TABLE notes ALTER deleted_at TYPE date, REPLICA IDENTITY NOTHING');
    await database.query(`CREATE PUBLICATION ${database.publicationName} FOR ALL TABLES`);
    const error = await failure([Task, Note], {
      migrationsRun: false,
      minClientVersion: '2',
      schema: { compatibleHashes: ['v1'] },
    });
    await database.query('ALTER TABLE notes ALTER deleted_at TYPE timestamptz, REPLICA IDENTITY DEFAULT');
    await database.query(`DROP PUBLICATION ${database.publicationName}`);

    expect(error.code).toBe('configuration_invalid');
    expect(error.problems.map(({ entity, option, code }) => [entity, option, code])).toEqual([
      ['Task', 'ownerColumn', 'configuration_invalid'],
      ['Note', 'deleted_at', 'schema_unsupported'],
      ['SynchroModule', 'migrationsRun', 'configuration_invalid'],
      ['SynchroModule', 'schema.compatibleHashes', 'configuration_invalid'],
      ['SynchroModule', 'minClientVersion', 'configuration_invalid'],
      ['Note', 'REPLICA IDENTITY', 'replica_identity_missing'],
      ['PostgreSQL', 'publication', 'publication_invalid'],
    ]);
    const [, ...lines] = error.message.split('\n');
    expect(lines).toEqual(
      error.problems.map(({ entity, option, message, fix }) => `- ${entity}: ${option}: ${message}; ${fix}`),
    );
    expect(lines[0]).toBe(
      '- Task: ownerColumn: there is no column or property nobody; name one of its columns: id, updated_at, deleted_at',
    );
  });

  it('has made nothing in the database', async () => {
    await failure([Task]);
    const made = await database.query(
      `SELECT slot_name AS name FROM pg_replication_slots WHERE slot_name = $1
       UNION ALL SELECT pubname FROM pg_publication`,
      [database.slotName],
    );
    expect(made).toEqual([]);
  });
});

describe('an app that was built with a broken registry, but not started,', () => {
  it('serves nothing: every use of the schema fails as the start does', async () => {
    const typeorm = TypeOrmModule.forRoot({
      type: 'postgres',
      url: database.url,
      entities: [Task, Note],
      retryAttempts: 1,
    });
    const sync = SynchroModule.forRoot({ userId: () => 'alice', replication: false });
    const app = await NestFactory.create({ module: HostModule, imports: [typeorm, sync] }, { logger: false });
    try {
      const engine = app.get(SyncEngine);
      const schema = { version: 0n, hash: '' };
      const device = { userId: 'alice', clientId: 'phone', schema };
      await startWalApp(database, [Note]).then((other) => other.close()); // makes the sync tables
      for (const use of [
        () => engine.schema(),
        () => engine.register({ ...device, clientName: null, platform: '', appVersion: '' }),
        () => engine.pull({ ...device, checkpoint: 0n, limit: 1, tables: null, knownBuckets: null }),
        () => engine.push({ ...device, changes: [] }),
        () => engine.snapshot({ ...device, cursor: null, limit: 1 }),
      ]) {
        await expect(use()).rejects.toMatchObject({
          code: 'configuration_invalid',
          problems: [{ entity: 'Task', option: 'ownerColumn' }],
        });
      }
    } finally {
      await app.close();
    }
  });
});

describe('a bucket prefix of its own', () => {
  const warned = 'Board: bucketPrefix: no user is subscribed to any bucket team:<team_id>';

  it('that nobody is subscribed to is warned of [W-OWN-1]', async () => {
    expect(await warnings()).toEqual([expect.stringContaining(warned)]);
  });

  it('but not when the host subscribes its users', async () => {
    class Teams extends SubscriptionResolver {
      override resolveSubscriptions(userId: string): Promise<readonly string[]> {
        return Promise.resolve([bucketOf('team:', userId)]);
      }
    }
    const providers = [{ provide: SubscriptionResolver, useClass: Teams }];
    expect(await warnings({ providers })).toEqual([]);
  });
});

it('a start without problems serves', async () => {
  const app = await startWalApp(database, [Note]);
  const answer = await send(`${app.url}/sync/schema`, { headers: { 'X-User-ID': 'alice' } });
  expect(answer.status).toBe(200);
  await app.close();
});

class HostModule {}
