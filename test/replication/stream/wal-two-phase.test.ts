import { randomUUID } from 'node:crypto';
import { SyncTable } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startPostgres, type PostgresServer } from '../../../sample-app/postgres/server.js';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { testFolder } from '../../support/run.js';
import { applied, edgesOf, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('tasks')
@SyncTable({ ownerColumn: 'user_id' })
class Task extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

function insert(id: string): string {
  return `INSERT INTO tasks (id, user_id) VALUES ('${id}', 'alice')`;
}

/** A slot without two_phase decodes them when they are committed: under the id of the prepared transaction. */
describe('a prepared transaction', () => {
  let server: PostgresServer;
  let database: TestDatabase;
  let app: RunningApp;
  let alice: Device;
  let number = 0;

  beforeAll(async () => {
    server = await startPostgres({
      dataDir: await testFolder(),
      durable: false,
      settings: { max_prepared_transactions: '10' },
    });
    database = await createDatabase(server.url);
    await database.query(createTableSql('tasks', 'user_id text NOT NULL'));
    app = await startWalApp(database, [Task]);
    alice = new Device(app.url, 'alice');
    await alice.start();
  });

  afterAll(async () => {
    await app.close();
    server.destroySync();
  });

  /** @returns its name */
  async function prepare(...statements: string[]): Promise<string> {
    const name = `tx ${++number}`;
    await database.query(['BEGIN', ...statements, `PREPARE TRANSACTION '${name}'`].join(';\n'));
    return name;
  }

  it('is in the log once it is committed, after what was committed while it was prepared', async () => {
    const [prepared, ordinary] = [randomUUID(), randomUUID()];
    const name = await prepare(insert(prepared), 'SAVEPOINT one', insert(randomUUID()), 'ROLLBACK TO one');
    await database.query(insert(ordinary));
    await applied(database);
    expect(await edgesOf(database, 'tasks', prepared)).toEqual([]);
    await alice.pull();
    expect([...alice.rows('tasks').keys()]).toEqual([ordinary]);
    await database.query(`COMMIT PREPARED '${name}'`);
    await applied(database);
    await alice.pull();
    expect([...alice.rows('tasks').keys()].toSorted()).toEqual([ordinary, prepared].toSorted());
    expect(await logOf(database, 'tasks', prepared)).toEqual(['create user:alice']);
    const log = await database.query<{ id: string }>(
      `SELECT record_id AS id FROM sync_changelog WHERE table_name = 'tasks' ORDER BY seq`,
    );
    expect(log.map(({ id }) => id)).toEqual([ordinary, prepared]);
  });

  it('that is rolled back leaves nothing', async () => {
    const [inserted, task] = [randomUUID(), randomUUID()];
    await database.query(insert(task));
    const name = await prepare(insert(inserted), `UPDATE tasks SET user_id = 'bob' WHERE id = '${task}'`);
    await applied(database);
    await database.query(`ROLLBACK PREPARED '${name}'`);
    await applied(database);
    expect(await logOf(database, 'tasks', inserted)).toEqual([]);
    expect(await edgesOf(database, 'tasks', task)).toEqual(['user:alice']);
  });

  it('outlives a restart of the app between PREPARE and COMMIT PREPARED', async () => {
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    const [first = '', second = '', later = ''] = ids;
    const names = [await prepare(insert(first)), await prepare(insert(second))];
    await database.query(insert(later));
    await applied(database);
    await app.close();
    await database.query(`COMMIT PREPARED '${names[0]}'`);
    app = await startWalApp(database, [Task]);
    await applied(database);
    expect(await edgesOf(database, 'tasks', first)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'tasks', second)).toEqual([]);
    await database.query(`COMMIT PREPARED '${names[1]}'`);
    await applied(database);
    alice.url = app.url;
    await alice.pull();
    for (const id of ids) {
      expect(alice.row('tasks', id)).toBeDefined();
      expect(await logOf(database, 'tasks', id)).toEqual(['create user:alice']);
    }
    expect(alice.snapshotReasons).toEqual([]);
  });

  it('that was there before the slot is in the log when it is committed', async () => {
    await app.close();
    const id = randomUUID();
    const name = await prepare(insert(id));
    await database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
    // Making a slot waits for every transaction that may still commit, prepared ones included.
    const starting = startWalApp(database, [Task]);
    await database.query(`COMMIT PREPARED '${name}'`);
    app = await starting;
    await applied(database);
    expect(await edgesOf(database, 'tasks', id)).toEqual(['user:alice']);
    alice.url = app.url;
    await alice.pull();
    expect(alice.row('tasks', id)).toBeDefined();
  });
});
