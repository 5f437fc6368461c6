import { createRequire } from 'node:module';
import type pg from 'pg';
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

const require = createRequire(import.meta.url);
const newest = require('pg') as typeof pg;
const lowest = require('pg-lowest') as typeof pg;

describe.each([
  ['in one round trip, by the newest pg', newest, {}],
  ['in one round trip, by the oldest pg of the peer range', lowest, {}],
  ["one by one, on a client in pg's own pipeline mode", newest, { pipeline: true }],
])('statements that are sent together, %s,', (_name, driver, extra) => {
  let database: TestDatabase;
  let dataSource: DataSource;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query('CREATE TABLE items (id integer PRIMARY KEY, texts text[])');
    dataSource = await new DataSource({ type: 'postgres', url: database.url, driver, extra }).initialize();
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

  it('end with the one that cannot be sent, as with one that fails [W-HOST-87]', async () => {
    await inTransaction(dataSource, 'write', async (manager) => {
      const unsendable = {
        toPostgres: () => {
          throw new TypeError('no text of it');
        },
      };
      const failing = pipelined(manager, [
        double(1),
        { ...double(0), parameters: [unsendable] },
        { sql: 'INSERT INTO items VALUES ($1)', parameters: [20] },
      ]);
      await expect(failing).rejects.toMatchObject({ driverError: { message: 'no text of it' } });
      expect(await pipelined(manager, [double(4), double(5)])).toEqual([[{ n: 8 }], [{ n: 10 }]]);
    });
    expect(await database.query('SELECT FROM items WHERE id = 20')).toEqual([]);
  });

  it('may be empty', async () => {
    const results = await inTransaction(dataSource, 'write', (manager) =>
      pipelined(manager, [{ sql: '-- nothing' }, { sql: 'SELECT 1 AS one' }]),
    );
    expect(results).toEqual([[], [{ one: 1 }]]);
  });

  it('fail when the connection breaks', async () => {
    const failing = inTransaction(dataSource, 'write', (manager) =>
      pipelined(manager, [{ sql: 'SELECT pg_terminate_backend(pg_backend_pid())' }, { sql: 'SELECT 1' }]),
    );
    await expect(failing).rejects.toThrow(/terminat|broke/i);
  });
});
