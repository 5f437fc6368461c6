import { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pipelined, type SqlStatement } from '../../lib/database/pipeline.js';
import { inTransaction } from '../../lib/database/session.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

const double = (n: number): SqlStatement => ({
  name: 'double',
  sql: 'SELECT $1::integer * 2 AS n',
  parameters: [n],
});

describe.each([
  ['in one round trip', {}],
  ["one by one, on a client in the driver's own pipeline mode", { pipeline: true }],
])('statements that are sent together, %s,', (_name, extra) => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query('CREATE TABLE items (id integer PRIMARY KEY, texts text[])');
    dataSource = await new DataSource({ type: 'postgres', url: database.url, extra }).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await database.drop();
  });

  it('give the rows of each, and see what those before them did', async () => {
    const texts = ['a "quoted" one', '{}', ''];
    const results = await inTransaction(dataSource, 'write', (manager) =>
      pipelined(manager, [
        { sql: 'SAVEPOINT here' },
        { sql: 'INSERT INTO items VALUES ($1, $2)', parameters: [1, texts] },
        { sql: 'SELECT id, texts, NULL AS nothing FROM items' },
        { sql: 'SELECT FROM items WHERE id = $1', parameters: [2] },
        { sql: 'RELEASE here' },
      ]),
    );
    expect(results).toEqual([[], [], [{ id: 1, texts, nothing: null }], [], []]);
  });

  it('end with the one that fails, which the error names; the connection goes on', async () => {
    await inTransaction(dataSource, 'write', async (manager) => {
      const failing = pipelined(manager, [
        { sql: 'SAVEPOINT here' },
        { sql: 'INSERT INTO items VALUES ($1)', parameters: [10] },
        { sql: 'SELECT 1 / $1::integer', parameters: [0] },
        { sql: 'INSERT INTO items VALUES ($1)', parameters: [11] },
      ]);
      await expect(failing).rejects.toMatchObject({
        query: 'SELECT 1 / $1::integer',
        parameters: [0],
        driverError: { code: '22012' },
      });
      await manager.query('ROLLBACK TO here');
      expect(await pipelined(manager, [{ sql: 'SELECT 1 AS one' }, { sql: 'SELECT 2 AS two' }])).toEqual([
        [{ one: 1 }],
        [{ two: 2 }],
      ]);
    });
    expect(await database.query('SELECT FROM items WHERE id >= 10')).toEqual([]);
  });

  it('may be prepared by name, also where one before them failed', async () => {
    await inTransaction(dataSource, 'write', async (manager) => {
      await manager.query('SAVEPOINT here');
      await expect(
        pipelined(manager, [{ sql: 'SELECT 1 / $1::integer', parameters: [0] }, double(1)]),
      ).rejects.toMatchObject({ driverError: { code: '22012' } });
      await manager.query('ROLLBACK TO here');
      for (const n of [2, 3])
        expect(await pipelined(manager, [double(n), double(n + 1)])).toEqual([
          [{ n: 2 * n }],
          [{ n: 2 * n + 2 }],
        ]);
    });
  });

  it('fail when the connection breaks', async () => {
    const failing = inTransaction(dataSource, 'write', (manager) =>
      pipelined(manager, [{ sql: 'SELECT pg_terminate_backend(pg_backend_pid())' }, { sql: 'SELECT 1' }]),
    );
    await expect(failing).rejects.toThrow(/terminat|broke/i);
  });
});
