import { randomUUID } from 'node:crypto';
import { OwnershipResolver, SyncEngine, SyncOperations, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, Entity } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../support/schema-fixtures.js';
import type { RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { Doc } from '../support/docs-and-pages.js';
import { edgesOf, logOf, startWalApp, SyncedRow } from '../support/wal-app.js';

@Entity('pages')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id' })
class Page extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;

  @Column('text', { nullable: true })
  body!: string | null;
}

const broken = new Set<string>();
/** A row that no device can create. */
const BAD = randomUUID();

class BrokenResolver extends OwnershipResolver {
  override resolveOwners(
    table: string,
    rows: readonly ResolveRow[],
  ): Promise<readonly (readonly string[])[]> {
    return Promise.resolve(
      rows.map(({ recordId, data }) => {
        if (broken.has(recordId)) throw new Error(`no owner for ${recordId}`);
        if (table === 'pages') return [];
        return [table === 'docs' ? `user:${data['user_id']}` : 'global'];
      }),
    );
  }
}

describe('operating sync from an instance that does not consume', () => {
  let database: TestDatabase;
  let consuming: RunningApp;
  let apiOnly: RunningApp;
  let engine: SyncEngine;
  let operations: SyncOperations;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    await database.query(createTableSql('pages', 'doc_id uuid NOT NULL, body text'));
    const providers = [{ provide: OwnershipResolver, useClass: BrokenResolver }];
    consuming = await startWalApp(database, [Doc, Page], { providers });
    apiOnly = await startWalApp(database, [Doc, Page], { providers, replication: false });
    engine = apiOnly.app.get(SyncEngine);
    operations = apiOnly.app.get(SyncOperations);
  });

  afterAll(async () => {
    await apiOnly.close();
    await consuming.close();
    await database.drop();
  });

  beforeEach(async () => {
    broken.clear();
    await database.query('DELETE FROM sync_rule_failures');
    await database.query('DELETE FROM sync_parked_rows');
    await database.query('DELETE FROM sync_waiting_rows');
  });

  async function insertDoc(id: string = randomUUID(), user = 'alice'): Promise<string> {
    await database.query('INSERT INTO docs (id, user_id) VALUES ($1, $2)', [id, user]);
    return id;
  }

  async function failing(count: number): Promise<readonly string[]> {
    const ids = Array.from({ length: count }, () => randomUUID());
    for (const id of ids) broken.add(id);
    for (const id of ids) await insertDoc(id);
    await engine.caughtUp();
    // As if they had failed often: the next retry is far away.
    await database.query(`UPDATE sync_rule_failures SET retry_at = now() + interval '1 hour', attempts = 12`);
    return ids;
  }

  describe('rule failures', () => {
    it('are listed, open and resolved', async () => {
      const [doc = ''] = await failing(1);
      expect(await operations.ruleFailures()).toEqual([
        {
          id: expect.stringMatching(/^\d+$/),
          table: 'docs',
          recordId: doc,
          operation: 'update',
          error: `no owner for ${doc}`,
          attempts: 12,
          failedAt: expect.any(Date),
          nextRetry: expect.any(Date),
          resolvedAt: null,
        },
      ]);
      expect(await operations.ruleFailures({ state: 'resolved' })).toEqual([]);
      broken.clear();
      await operations.replayRuleFailures();
      await engine.caughtUp();
      expect(await operations.ruleFailures()).toEqual([]);
      const [resolved] = await operations.ruleFailures({
        state: 'resolved',
        table: 'docs',
        recordIds: [doc],
      });
      expect(resolved).toMatchObject({ recordId: doc, nextRetry: null, resolvedAt: expect.any(Date) });
      expect(await operations.ruleFailures({ state: 'all', table: 'pages' })).toEqual([]);
    });

    it('are listed page by page, newest first', async () => {
      const docs = await failing(3);
      const pages = await Promise.all([0, 2].map((offset) => operations.ruleFailures({ limit: 2, offset })));
      expect(pages.flat().map(({ recordId }) => recordId)).toEqual(docs.toReversed());
    });

    it('are replayed at once by the consumer, all or some of them', async () => {
      const [one = '', two = '', three = ''] = await failing(3);
      broken.clear();
      expect(await operations.replayRuleFailures({ table: 'docs', recordIds: [one] })).toBe(1);
      await engine.caughtUp();
      expect(await edgesOf(database, 'docs', one)).toEqual(['user:alice']);
      expect(await edgesOf(database, 'docs', two)).toEqual([]);
      expect(await operations.replayRuleFailures({ table: 'pages' })).toBe(0);
      expect(await operations.replayRuleFailures()).toBe(2);
      await engine.caughtUp();
      for (const id of [two, three]) expect(await logOf(database, 'docs', id)).toEqual(['create user:alice']);
    });

    it('that fail again are counted, and wait for their next retry', async () => {
      await failing(1);
      await operations.replayRuleFailures();
      await engine.caughtUp();
      const [failure] = await operations.ruleFailures();
      expect(failure?.attempts).toBe(13);
      expect(failure?.nextRetry?.getTime()).toBeGreaterThan(Date.now());
    });
  });

  it('lists the rows that wait for a parent', async () => {
    const [page, doc] = [randomUUID(), randomUUID()];
    await database.query('INSERT INTO pages (id, doc_id) VALUES ($1, $2)', [page, doc]);
    await engine.caughtUp();
    expect(await operations.waitingRows({ table: 'pages' })).toEqual([
      { table: 'pages', recordId: page, parentTable: 'docs', parentId: doc, since: expect.any(Date) },
    ]);
    expect(await operations.waitingRows({ table: 'docs' })).toEqual([]);
    await insertDoc(doc);
    await engine.caughtUp();
    expect(await operations.waitingRows()).toEqual([]);
  });

  it('lists the changes that were refused for good, all or those of a user [W-HOST-51]', async () => {
    const device = new Device(apiOnly.url, `user-${randomUUID()}`);
    await device.start();
    await database.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         RAISE EXCEPTION 'not now' USING ERRCODE = '55P03'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON docs FOR EACH ROW WHEN (NEW.id = '${BAD}') EXECUTE FUNCTION refuse()`,
    );
    const change = { id: BAD, table_name: 'docs', operation: 'create', data: { user_id: 'x' } } as const;
    for (let push = 0; push < 4; push++) await device.push([change]);
    expect(await operations.refusedChanges()).toEqual([]);
    await device.push([change]);
    const refused = {
      userId: device.userId,
      clientId: device.clientId,
      table: 'docs',
      recordId: BAD,
      operation: 'create',
      error: expect.stringContaining('55P03'),
      data: '{"user_id":"x"}',
      refusedAt: expect.any(Date),
    };
    expect(await operations.refusedChanges()).toEqual([refused]);
    expect(await operations.refusedChanges({ userId: device.userId, table: 'docs' })).toEqual([refused]);
    expect(await operations.refusedChanges({ userId: 'another' })).toEqual([]);
    expect(await operations.refusedChanges({ table: 'pages' })).toEqual([]);
    await database.query('DROP FUNCTION refuse CASCADE');
  });

  describe('parked rows', () => {
    let device: Device;
    let doc: string;
    let page: string;

    beforeEach(async () => {
      device = new Device(apiOnly.url, `user-${randomUUID()}`);
      await device.start();
      doc = randomUUID();
      page = device.create('pages', { doc_id: doc, body: 'typed offline' });
      await device.pushPending();
    });

    it('are listed, all or those of a user', async () => {
      const parked = {
        userId: device.userId,
        clientId: device.clientId,
        table: 'pages',
        recordId: page,
        parentTable: 'docs',
        parentId: doc,
        data: expect.stringContaining('typed offline'),
        since: expect.any(Date),
      };
      expect(await operations.parkedRows()).toEqual([parked]);
      expect(await operations.parkedRows({ userId: device.userId, table: 'pages' })).toEqual([parked]);
      expect(await operations.parkedRows({ userId: 'another' })).toEqual([]);
      expect(await operations.parkedRows({ table: 'docs' })).toEqual([]);
    });

    it('are written when they are tried again after the host has brought the parent', async () => {
      const key = { userId: device.userId, table: 'pages', recordId: page };
      expect(await operations.retryParkedRow(key)).toBe(false);
      expect(await operations.parkedRows()).toHaveLength(1);
      await insertDoc(doc, device.userId);
      expect(await operations.retryParkedRow(key)).toBe(true);
      expect(await operations.parkedRows()).toEqual([]);
      const [row] = await database.query('SELECT body FROM pages WHERE id = $1', [page]);
      expect(row).toEqual({ body: 'typed offline' });
      await expect(operations.retryParkedRow(key)).rejects.toMatchObject({ code: 'bad_request' });
    });

    it('go only by hand: the content is kept, and every device of the user drops its copy', async () => {
      expect(device.row('pages', page)).toBeDefined();
      const key = { userId: device.userId, table: 'pages', recordId: page };
      await operations.discardParkedRow(key);
      await engine.caughtUp();
      expect(await operations.parkedRows()).toEqual([]);
      const [kept] = await database.query(
        `SELECT payload, resolved_at IS NOT NULL AS resolved FROM sync_rule_failures WHERE record_id = $1`,
        [page],
      );
      expect(kept).toMatchObject({
        resolved: true,
        payload: { user_id: device.userId, client_id: device.clientId, parent_id: doc },
      });
      expect(JSON.stringify(kept)).toContain('typed offline');
      await device.sync();
      expect(device.row('pages', page)).toBeUndefined();
      await expect(operations.discardParkedRow(key)).rejects.toMatchObject({ code: 'bad_request' });
    });
  });
});
