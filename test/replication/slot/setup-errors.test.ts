import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import { withClient } from '../../support/client.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { testFolder } from '../../support/run.js';
import { applied, startWalApp, SyncedRow, type WalAppOptions } from '../../support/wal-app.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
class Task extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

/** Why an app does not start; an Error that says so when it does. */
async function whyNotStarted(database: TestDatabase, options?: WalAppOptions): Promise<Error> {
  return startWalApp(database, [Task], options).then(
    async (app) => app.close().then(() => new Error('it started')),
    (error: Error) => error,
  );
}

async function starts(database: TestDatabase): Promise<void> {
  const app = await startWalApp(database, [Task]);
  await applied(database);
  await app.close();
}

describe('the start is stopped with what fixes it', () => {
  let database: TestDatabase;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('tasks', 'user_id text NOT NULL'));
  });
  afterEach(async () => {
    await database.drop();
  });

  it('when the sync tables are missing', async () => {
    const failed = await whyNotStarted(database, { migrationsRun: false });
    expect(failed).toMatchObject({ code: 'configuration_invalid' });
    expect(failed.message).toContain('migrationsRun: true');
    expect(failed.message).toContain('...synchroMigrations');
    await starts(database);
    const app = await startWalApp(database, [Task], { migrationsRun: false });
    await app.close();
  });

  it.each([
    ['no primary key', 'ALTER TABLE tasks DROP CONSTRAINT tasks_pkey'],
    [
      'a composite primary key',
      'ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD PRIMARY KEY (id, user_id)',
    ],
  ])('when a table has %s [W-REG-4]', async (_, damage) => {
    await database.query(damage);
    const failed = await whyNotStarted(database);
    expect(failed.message).toMatch(/tasks.*primary key/s);
    await database.query('ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_pkey, ADD PRIMARY KEY (id)');
    await starts(database);
  });

  describe('when the role', () => {
    let role: string;

    beforeEach(async () => {
      role = `${database.name}_role`;
      await starts(database); // makes the sync tables
      await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
      await database.query(`GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role}`);
    });
    afterEach(async () => {
      await database.query(`DROP OWNED BY ${role}`);
      await database.query(`DROP ROLE ${role}`);
    });

    function connection(): { connectionString: string } {
      const url = new URL(database.url);
      url.username = role;
      url.password = 'secret';
      return { connectionString: url.href };
    }

    it('may not replicate', async () => {
      const options = { replication: { connection: connection() } };
      const failed = await whyNotStarted(database, options);
      expect(failed).toMatchObject({ code: 'permission_missing' });
      const [statement = ''] = /ALTER ROLE .* REPLICATION;/.exec(failed.message) ?? [];
      await database.query(statement);
      const app = await startWalApp(database, [Task], options);
      await applied(database);
      await app.close();
    });

    it('may not make the publication', async () => {
      await database.query(`ALTER ROLE ${role} REPLICATION`);
      await database.query(`DROP PUBLICATION ${database.publicationName}`);
      const options = { replication: { connection: connection() } };
      const failed = await whyNotStarted(database, options);
      expect(failed).toMatchObject({ code: 'permission_missing' });
      const [statement = ''] = /CREATE PUBLICATION .*;/.exec(failed.message) ?? [];
      await database.query(statement);
      const app = await startWalApp(database, [Task], options);
      await applied(database);
      await app.close();
    });
  });
});

describe('a server without logical decoding', () => {
  let server: PostgresServer;

  beforeAll(async () => {
    server = await startPostgres({
      dataDir: await testFolder(),
      durable: false,
      settings: { wal_level: 'replica' },
    });
  });
  afterAll(() => server.destroySync());

  it('stops the start, with the setting that fixes it', async () => {
    const database = await createDatabase(server.url);
    await database.query(createTableSql('tasks', 'user_id text NOT NULL'));
    const failed = await whyNotStarted(database);
    expect(failed).toMatchObject({ code: 'wal_level_not_logical' });
    const [statement = ''] = /ALTER SYSTEM SET wal_level = 'logical';/.exec(failed.message) ?? [];
    await withClient(server.url, (client) => client.query(statement));
    expect(statement).not.toBe('');
    await database.drop();
  });
});
