import { randomUUID } from 'node:crypto';
import { SyncOperations, SyncStatus } from 'nestjs-synchro';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Doc, Page } from '../../support/docs-and-pages.js';
import { Random } from '../../support/random.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp } from '../../support/wal-app.js';

const insertDoc = (id: string, user = 'alice'): string =>
  `INSERT INTO docs (id, user_id) VALUES ('${id}', '${user}')`;
const insertPage = (id: string, doc: string): string =>
  `INSERT INTO pages (id, doc_id) VALUES ('${id}', '${doc}')`;
const moveDoc = (id: string, user: string): string =>
  `UPDATE docs SET user_id = '${user}' WHERE id = '${id}'`;

/** What may keep rows of these ids from being written. */
const FAULTS = {
  'a trigger on the log': trigger('BEFORE INSERT ON sync_changelog FOR EACH ROW', 'P0001'),
  'a trigger on the edges': trigger('BEFORE INSERT OR UPDATE ON sync_bucket_edges FOR EACH ROW', '22012'),
  'a trigger with a state of its own': trigger('AFTER INSERT ON sync_bucket_edges FOR EACH ROW', '55000'),
  'a check at the commit': trigger(
    'AFTER INSERT ON sync_changelog DEFERRABLE INITIALLY DEFERRED FOR EACH ROW',
    '23514',
    'CONSTRAINT ',
  ),
} as const;

function trigger(when: string, state: string, kind = ''): string {
  return `CREATE TABLE poison (id text PRIMARY KEY);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF EXISTS (SELECT FROM public.poison WHERE id = NEW.record_id)
      THEN RAISE EXCEPTION 'refused %', NEW.record_id USING ERRCODE = '${state}'; END IF;
      RETURN NEW; END $$;
    CREATE ${kind}TRIGGER refuse ${when} EXECUTE FUNCTION refuse()`;
}

describe('a row that cannot be written to the log', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeEach(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    await database.query(createTableSql('pages', 'doc_id uuid NOT NULL'));
    // Batches are small, so that transactions are larger.
    app = await startWalApp(database, [Doc, Page], { replication: { batchRows: 50, maxBatchRows: 100 } });
  });

  afterEach(async () => {
    await app.close();
    await database.drop();
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
  }

  async function poison(...ids: string[]): Promise<void> {
    await database.query('INSERT INTO poison SELECT unnest($1::text[])', [ids]);
  }

  async function heal(): Promise<void> {
    await database.query('DELETE FROM poison');
    // Every failed change puts the next try off.
    await app.app.get(SyncOperations, { strict: false }).replayRuleFailures();
    await eventually(async () => expect(await openFailures()).toEqual([]));
  }

  async function openFailures(): Promise<readonly string[]> {
    const rows = await database.query<{ record_id: string }>(
      'SELECT record_id FROM sync_rule_failures WHERE resolved_at IS NULL ORDER BY record_id',
    );
    return rows.map(({ record_id }) => record_id);
  }

  async function logOfAll(table: string): Promise<readonly string[]> {
    const rows = await database.query<{ record_id: string }>(
      'SELECT record_id FROM sync_changelog WHERE table_name = $1 ORDER BY seq',
      [table],
    );
    return rows.map(({ record_id }) => record_id);
  }

  for (const [fault, sql] of Object.entries(FAULTS)) {
    it.each([0, 1, 149, 299])(
      `stops nobody but itself, with ${fault}, in place %i of a large transaction [W-HOST-1]`,
      async (place) => {
        await database.query(sql);
        const ids = Array.from({ length: 300 }, () => randomUUID());
        const bad = ids[place] ?? '';
        await poison(bad);
        await commit(...ids.map((id) => insertDoc(id)));
        await applied(database);
        const good = ids.filter((id) => id !== bad);
        const [seqs] = await database.query(
          'SELECT max(seq) - min(seq) + 1 = count(*) AS gapless FROM sync_changelog',
        );
        expect(seqs).toEqual({ gapless: true });
        expect(await logOfAll('docs')).toEqual(good);
        expect(await edgesOf(database, 'docs', bad)).toEqual([]);
        expect(await openFailures()).toEqual([bad]);
        const status = await app.app.get(SyncStatus, { strict: false }).read();
        expect(status).toMatchObject({ openRuleFailures: 1, consumer: { state: 'consuming' } });
        await heal();
        expect(await logOf(database, 'docs', bad)).toEqual(['create user:alice']);
        expect(await edgesOf(database, 'docs', bad)).toEqual(['user:alice']);
        expect((await logOfAll('docs')).slice(0, -1)).toEqual(good);
      },
    );
  }

  it('keeps the buckets that it had, and so do its children [W-HOST-2]', async () => {
    const [doc, other] = [randomUUID(), randomUUID()];
    const [page, otherPage, late] = [randomUUID(), randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the edges']);
    await commit(insertDoc(doc), insertDoc(other), insertPage(page, doc), insertPage(otherPage, other));
    await applied(database);
    await poison(doc);
    await commit(moveDoc(other, 'bob'), moveDoc(doc, 'bob'), insertPage(late, doc));
    await applied(database);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    for (const id of [page, late]) expect(await edgesOf(database, 'pages', id)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'docs', other)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'pages', otherPage)).toEqual(['user:bob']);
    await heal();
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:bob']);
    for (const id of [page, late]) expect(await edgesOf(database, 'pages', id)).toEqual(['user:bob']);
    expect(await logOf(database, 'pages', page)).toEqual([
      'create user:alice',
      'delete user:alice',
      'create user:bob',
    ]);
  });

  it('lets the children of a new row wait for it [W-HOST-2]', async () => {
    const [doc, page] = [randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the log']);
    await poison(doc);
    await commit(insertDoc(doc), insertPage(page, doc));
    await applied(database);
    expect(await edgesOf(database, 'pages', page)).toEqual([]);
    await heal();
    expect(await edgesOf(database, 'pages', page)).toEqual(['user:alice']);
    expect(await logOf(database, 'pages', page)).toEqual(['create user:alice']);
  });

  it('is left where it was as the child of a row that moves [W-HOST-2]', async () => {
    const [doc, bad, good] = [randomUUID(), randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the edges']);
    await commit(insertDoc(doc), insertPage(bad, doc), insertPage(good, doc));
    await applied(database);
    await poison(bad);
    await commit(moveDoc(doc, 'bob'));
    await applied(database);
    expect(await edgesOf(database, 'pages', bad)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'pages', good)).toEqual(['user:bob']);
    await heal();
    expect(await edgesOf(database, 'pages', bad)).toEqual(['user:bob']);
  });

  it('gets its delete once that can be written [W-HOST-3]', async () => {
    const [bad, good] = [randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the log']);
    await commit(insertDoc(bad), insertDoc(good));
    await applied(database);
    await poison(bad);
    await commit(`DELETE FROM docs WHERE id IN ('${bad}', '${good}')`);
    await applied(database);
    expect(await logOf(database, 'docs', good)).toEqual(['create user:alice', 'delete user:alice']);
    expect(await edgesOf(database, 'docs', bad)).toEqual(['user:alice']);
    await heal();
    expect(await edgesOf(database, 'docs', bad)).toEqual([]);
    expect(await logOf(database, 'docs', bad)).toEqual(['create user:alice', 'delete user:alice']);
  });

  it('is one of a truncated table [W-HOST-3]', async () => {
    const [bad, good] = [randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the log']);
    await commit(insertDoc(bad), insertDoc(good));
    await applied(database);
    await poison(bad);
    await database.query('TRUNCATE docs');
    await applied(database);
    expect(await edgesOf(database, 'docs', good)).toEqual([]);
    expect(await edgesOf(database, 'docs', bad)).toEqual(['user:alice']);
    await heal();
    expect(await edgesOf(database, 'docs', bad)).toEqual([]);
    expect(await logOf(database, 'docs', bad)).toEqual(['create user:alice', 'delete user:alice']);
  });

  it('may be any, wherever they are, and all others arrive once and in order [W-HOST-1]', async () => {
    const random = new Random(Number(process.env['POISON_SEED'] ?? 16));
    await database.query(FAULTS['a trigger on the log']);
    const docs = Array.from({ length: 120 }, () => randomUUID());
    const bad = new Set<string>(random.some(docs, 6));
    await poison(...bad);
    const expected: string[] = [];
    const live = new Set<string>();
    for (let transaction = 0; transaction < 30; transaction++) {
      const statements: string[] = [];
      for (let change = random.below(transaction % 10 === 0 ? 400 : 12); change >= 0; change--) {
        const id = random.pick(docs);
        const operation = !live.has(id) ? 'create' : random.below(10) < 3 ? 'delete' : 'update';
        if (operation === 'create') statements.push(insertDoc(id));
        else if (operation === 'delete') statements.push(`DELETE FROM docs WHERE id = '${id}'`);
        else statements.push(`UPDATE docs SET updated_at = clock_timestamp() WHERE id = '${id}'`);
        if (operation === 'delete') live.delete(id);
        else live.add(id);
        if (!bad.has(id)) expected.push(`${operation} ${id}`);
      }
      await commit(...statements);
    }
    await applied(database);
    const log = async (): Promise<readonly string[]> =>
      (
        await database.query<{ record_id: string; entry: string }>(
          `SELECT record_id, (ARRAY['create', 'update', 'delete'])[operation] || ' ' || record_id AS entry
             FROM sync_changelog WHERE table_name = 'docs' ORDER BY seq`,
        )
      )
        .filter(({ record_id }) => !bad.has(record_id))
        .map(({ entry }) => entry);
    expect(await log()).toEqual(expected);
    await heal();
    expect(await log()).toEqual(expected);
    for (const id of docs)
      expect(await edgesOf(database, 'docs', id)).toEqual(live.has(id) ? ['user:alice'] : []);
  });

  /** A device that reads alice's rows. */
  async function device(...buckets: string[]): Promise<string> {
    const [client] = await database.query<{ id: string }>(
      `INSERT INTO sync_clients (user_id, client_id, bucket_subs) VALUES ('alice', $1, $2) RETURNING id::text`,
      [randomUUID(), buckets],
    );
    return client?.id ?? '';
  }

  async function deviceState(id: string): Promise<{ subscriptions: readonly string[]; resync: boolean }> {
    const [client] = await database.query<{ subscriptions: string[]; resync: boolean }>(
      'SELECT bucket_subs AS subscriptions, resync_seq > 0 AS resync FROM sync_clients WHERE id = $1',
      [id],
    );
    return client ?? { subscriptions: [], resync: false };
  }

  it('sends the devices that come to its bucket to a snapshot, and no others [W-HOST-4]', async () => {
    const [bad, good] = [randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the log']);
    await commit(insertDoc(bad), insertDoc(good, 'bob'));
    await applied(database);
    await poison(bad);
    const [alices, bobs] = [await device(), await device()];
    for (const [client, bucket] of [
      [alices, 'user:alice'],
      [bobs, 'user:bob'],
    ])
      await database.query('INSERT INTO sync_subscription_changes (client, bucket_id) VALUES ($1, $2)', [
        client,
        bucket,
      ]);
    await eventually(
      async () => (await database.query('SELECT FROM sync_subscription_changes')).length === 0,
    );
    expect(await deviceState(alices)).toEqual({ subscriptions: ['user:alice'], resync: true });
    expect(await deviceState(bobs)).toEqual({ subscriptions: ['user:bob'], resync: false });
    expect(await logOf(database, 'docs', good)).toEqual(['create user:bob', `create client:${bobs}`]);
  });

  it.each(['redeliver', 'withdraw'])(
    'sends the device to a snapshot that should get it by %s [W-HOST-4]',
    async (kind) => {
      const [bad, good] = [randomUUID(), randomUUID()];
      await database.query(FAULTS['a trigger on the log']);
      await commit(insertDoc(bad), insertDoc(good));
      await applied(database);
      await poison(bad);
      const [served, neverServed] = [await device('user:alice'), await device('user:alice')];
      const ask = `INSERT INTO sync_consumer_tasks (kind, table_name, record_ids, client) VALUES ($1, 'docs', $2, $3)`;
      await database.query(ask, [kind, [good, bad], neverServed]);
      await database.query(ask, [kind, [good], served]);
      await eventually(async () => (await database.query('SELECT FROM sync_consumer_tasks')).length === 0);
      expect((await deviceState(neverServed)).resync).toBe(true);
      expect((await deviceState(served)).resync).toBe(false);
      expect((await logOf(database, 'docs', good)).slice(1)).toEqual([
        `${kind === 'withdraw' ? 'delete' : 'create'} client:${served}`,
      ]);
    },
  );

  it('is one of those that are resolved again on demand, and of a table whose rule is another one [W-HOST-5]', async () => {
    const [bad, good] = [randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the edges']);
    await commit(insertDoc(bad), insertDoc(good));
    await applied(database);
    await poison(bad);
    await database.query(`DELETE FROM sync_bucket_edges WHERE table_name = 'docs'`);
    await database.query(`INSERT INTO sync_consumer_tasks (kind, table_name) VALUES ('reresolve', 'docs')`);
    await eventually(async () => (await database.query('SELECT FROM sync_consumer_tasks')).length === 0);
    expect(await edgesOf(database, 'docs', good)).toEqual(['user:alice']);
    expect(await openFailures()).toEqual([bad]);

    await app.close();
    await database.query(`DELETE FROM sync_bucket_edges WHERE table_name = 'docs'`);
    await database.query(`UPDATE sync_table_rules SET rules_hash = 'another'`);
    app = await startWalApp(database, [Doc, Page]);
    await applied(database);
    expect(await edgesOf(database, 'docs', good)).toEqual(['user:alice']);
    expect(await openFailures()).toEqual([bad]);
    await heal();
    expect(await edgesOf(database, 'docs', bad)).toEqual(['user:alice']);
  });

  it('is there at the first start: the others are, too [W-HOST-5]', async () => {
    await app.close();
    const [bad, good, page] = [randomUUID(), randomUUID(), randomUUID()];
    await database.query(FAULTS['a trigger on the edges']);
    await commit(insertDoc(bad), insertDoc(good), insertPage(page, good));
    await poison(bad);
    await database.query('SELECT pg_drop_replication_slot($1)', [database.slotName]);
    app = await startWalApp(database, [Doc, Page]);
    await applied(database);
    expect(await edgesOf(database, 'docs', good)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'pages', page)).toEqual(['user:alice']);
    expect(await openFailures()).toEqual([bad]);
    await heal();
    expect(await edgesOf(database, 'docs', bad)).toEqual(['user:alice']);
  });
});
