import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, DataSource, Entity, type DataSourceOptions } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectionConfig } from '../../../lib/database/connection-config.js';
import { consumerConnection } from '../../../lib/replication/slot/consumer-connection.js';
import { TcpProxy } from '../../faults/tcp-proxy.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

it.each([
  ['10 s', {}, 10_000],
  ['as long as the DataSource says', { connectTimeoutMS: 300 }, 300],
  ['as long as pg is told', { extra: { connectionTimeoutMillis: 200 } }, 200],
])('connecting has %s [W-LOAD-40]', (_, options: Partial<PostgresOptions>, expected) => {
  const config = connectionConfig(new DataSource({ type: 'postgres', ...options }));
  expect(config.connectionTimeoutMillis).toBe(expected);
  expect(consumerConnection(config, 1_000, 'public').connectionTimeoutMillis).toBe(expected);
});

it('connecting has 10 s where replication has a connection of its own [W-LOAD-40]', () => {
  expect(consumerConnection({}, 1_000, 'public').connectionTimeoutMillis).toBe(10_000);
});

describe('a consumer whose connections have gone silent', () => {
  let database: TestDatabase;
  let proxy: TcpProxy;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    const url = new URL(database.url);
    proxy = await TcpProxy.listen(Number(url.port));
    url.host = `127.0.0.1:${proxy.port}`;
    app = await startWalApp({ ...database, url: url.href }, [Doc], {
      replication: {
        walSenderTimeout: '1s',
        connection: { connectionString: url.href, connectionTimeoutMillis: 1_000 },
      },
    });
  });

  afterAll(async () => {
    // Its pool's connections would wait for ever.
    proxy.cut();
    await app.close();
    await proxy.close();
    await database.drop();
  });

  it('goes on over new ones, though nobody says that the old ones are gone', async () => {
    await applied(database);
    proxy.forget();
    await expectToGoOn();
  });

  it.each([
    ['is accepted, and no more', () => proxy.stall(), true],
    ['takes no word of its stream', () => proxy.loseQuestion('START_REPLICATION'), false],
  ])('goes on when a new one %s [W-LOAD-40]', async (_, disturb, held) => {
    await applied(database);
    disturb();
    const { forgotten } = proxy;
    const before = new Set(proxy.connections);
    proxy.cut();
    // The consumer's is the only one: no device asks.
    await eventually(() => {
      if (held) proxy.forget(proxy.connections.filter((each) => !before.has(each)));
      return proxy.forgotten > forgotten;
    });
    proxy.pass();
    await expectToGoOn();
  });

  async function expectToGoOn(): Promise<void> {
    const doc = randomUUID();
    await database.query(`INSERT INTO docs (id, user_id) VALUES ($1, 'alice')`, [doc]);
    await eventually(async () => (await edgesOf(database, 'docs', doc)).length > 0);
  }
});
