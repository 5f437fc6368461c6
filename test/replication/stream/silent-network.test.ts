import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { TcpProxy } from '../../faults/tcp-proxy.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('docs')
@SyncTable({ ownerColumn: 'user_id' })
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

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
      replication: { walSenderTimeout: '1s' },
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
    const doc = randomUUID();
    await database.query(`INSERT INTO docs (id, user_id) VALUES ($1, 'alice')`, [doc]);
    await eventually(async () => (await edgesOf(database, 'docs', doc)).length > 0);
  });
});
