import { randomUUID } from 'node:crypto';
import { OwnershipResolver, SyncEngine, type ResolveRow } from 'nestjs-synchro';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Doc, Page } from '../../support/docs-and-pages.js';
import { Device } from '../../support/device.js';
import { edgesOf, logOf, startWalApp } from '../../support/wal-app.js';

/** Something that no table says: who stands in for whom. */
const standIns = new Map<string, string>();

class StandInResolver extends OwnershipResolver {
  override resolveOwners(
    table: string,
    rows: readonly ResolveRow[],
  ): Promise<readonly (readonly string[])[]> {
    return Promise.resolve(
      rows.map(({ data }) => {
        if (table === 'pages') return [];
        if (table !== 'docs') return ['global'];
        const owner = data['user_id'] ?? '';
        const standIn = standIns.get(owner);
        return [`user:${owner}`, ...(standIn === undefined ? [] : [`user:${standIn}`])];
      }),
    );
  }
}

describe('reresolve', () => {
  let database: TestDatabase;
  let consuming: RunningApp;
  let apiOnly: RunningApp;
  let engine: SyncEngine;
  let owner: string;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    // Columns that have the names of sync's own.
    await database.query(
      createTableSql('pages', 'doc_id uuid NOT NULL, record_id text, table_name text, live boolean'),
    );
    const providers = [{ provide: OwnershipResolver, useClass: StandInResolver }];
    consuming = await startWalApp(database, [Doc, Page], { providers });
    apiOnly = await startWalApp(database, [Doc, Page], { providers, replication: false });
    engine = apiOnly.app.get(SyncEngine);
  });

  afterAll(async () => {
    await apiOnly.close();
    await consuming.close();
    await database.drop();
  });

  beforeEach(() => {
    standIns.clear();
    owner = `owner-${randomUUID()}`;
  });

  async function insertDocs(count: number): Promise<readonly string[]> {
    const rows = await database.query<{ id: string }>(
      'INSERT INTO docs (id, user_id) SELECT gen_random_uuid(), $1 FROM generate_series(1, $2) RETURNING id',
      [owner, count],
    );
    await engine.caughtUp();
    return rows.map(({ id }) => id);
  }

  const pending = (): Promise<unknown[]> => database.query('SELECT FROM sync_consumer_tasks');

  it('has the consumer of another instance resolve some rows, and devices see what that changes', async () => {
    const [first = '', second = ''] = await insertDocs(2);
    const device = new Device(apiOnly.url, 'stand-in');
    await device.start();
    standIns.set(owner, 'stand-in');
    await engine.reresolve(Doc, [first.toUpperCase()]);
    await engine.caughtUp();
    expect(await edgesOf(database, 'docs', first)).toEqual([`user:${owner}`, 'user:stand-in']);
    expect(await logOf(database, 'docs', first)).toEqual([`create user:${owner}`, 'create user:stand-in']);
    expect(await edgesOf(database, 'docs', second)).toEqual([`user:${owner}`]);
    await device.sync();
    expect([...device.rows('docs').keys()]).toEqual([first]);
    expect(await pending()).toEqual([]);

    standIns.clear();
    await engine.reresolve('docs', [first]);
    await engine.caughtUp();
    await device.sync();
    expect(device.rows('docs').size).toBe(0);
  });

  it('takes the children along', async () => {
    const [doc = ''] = await insertDocs(1);
    const page = randomUUID();
    await database.query('INSERT INTO pages (id, doc_id) VALUES ($1, $2)', [page, doc]);
    await engine.caughtUp();
    standIns.set(owner, 'reader');
    await engine.reresolve(Doc, [doc]);
    await engine.caughtUp();
    expect(await edgesOf(database, 'pages', page)).toEqual([`user:${owner}`, 'user:reader']);
  });

  it('writes no entry for rows whose buckets stay', async () => {
    const [doc = ''] = await insertDocs(1);
    await engine.reresolve(Doc, [doc, randomUUID()]);
    await engine.caughtUp();
    expect(await logOf(database, 'docs', doc)).toEqual([`create user:${owner}`]);
  });

  it('of a whole table takes no row away whose columns are named like those of sync', async () => {
    const [doc = ''] = await insertDocs(1);
    const page = randomUUID();
    await database.query('INSERT INTO pages (id, doc_id) VALUES ($1, $2)', [page, doc]);
    await engine.caughtUp();
    await engine.reresolve(Page);
    await engine.caughtUp();
    expect(await logOf(database, 'pages', page)).toEqual([`create user:${owner}`]);
  });

  it('does a whole table page by page, while other changes go on', async () => {
    const docs = await insertDocs(12_000);
    standIns.set(owner, 'everywhere');
    await engine.reresolve(Doc);
    const later = randomUUID();
    await database.query('INSERT INTO docs (id, user_id) VALUES ($1, $2)', [later, owner]);
    await engine.caughtUp();
    const [count] = await database.query(
      `SELECT count(*)::int AS n FROM sync_bucket_edges WHERE bucket_id = 'user:everywhere'`,
    );
    expect(count).toEqual({ n: docs.length + 1 });
    const [entries] = await database.query(
      `SELECT count(*)::int AS n, count(DISTINCT created_at)::int AS transactions FROM sync_changelog
        WHERE bucket_id = 'user:everywhere'`,
    );
    expect(entries?.['transactions']).toBeGreaterThanOrEqual(3);
    expect(await pending()).toEqual([]);
  });

  it('of a whole table also removes the edges of rows that are gone, and of their children', async () => {
    const [doc = ''] = await insertDocs(1);
    const page = randomUUID();
    await database.query('INSERT INTO pages (id, doc_id) VALUES ($1, $2)', [page, doc]);
    await engine.caughtUp();
    // As after an edge was written by hand.
    await database.query(
      `INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id) VALUES ('docs', 'gone', 'user:x')`,
    );
    await database.query(
      `INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id) VALUES ('pages', $1, 'user:x')`,
      [page],
    );
    await engine.reresolve(Doc);
    await engine.caughtUp();
    // The children were asked for by the first one.
    await engine.caughtUp();
    expect(await edgesOf(database, 'docs', 'gone')).toEqual([]);
    expect(await logOf(database, 'docs', 'gone')).toEqual(['delete user:x']);
    expect(await edgesOf(database, 'pages', page)).toEqual([`user:${owner}`]);
  });

  it('refuses tables that are not synced and ids that can be none', async () => {
    class Stranger {}
    await expect(engine.reresolve('strangers')).rejects.toThrow(/strangers is not synced/);
    await expect(engine.reresolve(Stranger)).rejects.toThrow(/Stranger is not synced[\s\S]*docs/);
    await expect(engine.reresolve(Doc, ['no-uuid'])).rejects.toThrow(
      /"no-uuid" is no id of docs, which is of type uuid/,
    );
    await engine.reresolve(Doc, []);
    expect(await pending()).toEqual([]);
  });

  it('leaves what this version does not know to one that does, and goes on with the rest', async () => {
    const [doc = ''] = await insertDocs(1);
    await database.query(
      `INSERT INTO sync_consumer_tasks (kind, table_name) VALUES ('reresolve', 'later_version')`,
    );
    standIns.set(owner, 'reader');
    await engine.reresolve(Doc, [doc]);
    await expect(engine.caughtUp({ timeout: 1_000 })).rejects.toThrow(/1 tasks are left/);
    expect(await edgesOf(database, 'docs', doc)).toEqual([`user:${owner}`, 'user:reader']);
    await database.query('DELETE FROM sync_consumer_tasks');
  });
});
