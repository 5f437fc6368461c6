import { randomUUID } from 'node:crypto';
import { OwnershipResolver, SyncTable, type ResolveRow } from 'nestjs-synchro';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { consumerWaits, withPausedConsumer } from '../../support/consumer.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Device } from '../../support/device.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp, SyncedRow } from '../../support/wal-app.js';

@Entity('members')
class Member {
  @PrimaryColumn('uuid', { name: 'doc_id' })
  docId!: string;

  @PrimaryColumn('text', { name: 'user_id' })
  userId!: string;
}

@Entity('docs')
@SyncTable({
  ownerColumn: 'user_id',
  bucketFunction: 'app.Doc_Buckets',
  bucketSources: [{ entity: () => Member, fkColumn: 'doc_id' }],
})
class Doc extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;

  @Column('text', { nullable: true })
  body!: string | null;

  @Column('int', { nullable: true })
  n!: number | null;
}

/** A child with a function of its own. */
@Entity('pages')
@SyncTable({ parent: () => Doc, parentFkColumn: 'doc_id', bucketFunction: '"page buckets"' })
class Page extends SyncedRow {
  @Column('uuid', { name: 'doc_id' })
  docId!: string;

  @Column('text', { nullable: true })
  reader!: string | null;
}

/** A child whose own rule is the host's. */
@Entity('lines')
@SyncTable({ parent: () => Page, parentFkColumn: 'page_id' })
class Line extends SyncedRow {
  @Column('uuid', { name: 'page_id' })
  pageId!: string;
}

/** A table that goes by the host's resolver. */
@Entity('others')
@SyncTable({ ownerColumn: 'user_id' })
class Other extends SyncedRow {
  @Column('text', { name: 'user_id' })
  userId!: string;
}

/** What the functions were asked, one row a call. */
const CALLS = 'CREATE TABLE calls (n serial, table_name text, operation text, new_row jsonb, old_row jsonb)';

const DOC_BUCKETS = `CREATE FUNCTION app.doc_buckets(table_name text, operation text, new_row jsonb, old_row jsonb)
  RETURNS SETOF text LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO public.calls (table_name, operation, new_row, old_row) VALUES (table_name, operation, new_row, old_row);
    IF new_row ->> 'body' = 'endless' THEN PERFORM pg_sleep(3600); END IF;
    IF new_row ->> 'body' = 'broken' THEN RAISE EXCEPTION 'no buckets for %', new_row ->> 'id'; END IF;
    RETURN NEXT 'user:' || (new_row ->> 'user_id');
    RETURN NEXT 'user:' || (new_row ->> 'user_id');
    RETURN NEXT NULL;
    RETURN NEXT '';
    RETURN QUERY SELECT 'many:' || i FROM generate_series(1, (new_row ->> 'n')::integer) AS i;
    RETURN QUERY SELECT 'user:' || m.user_id FROM public.members m WHERE m.doc_id = (new_row ->> 'id')::uuid;
  END $$`;

const PAGE_BUCKETS = `CREATE FUNCTION "page buckets"(text, text, jsonb, jsonb) RETURNS TABLE (bucket text)
  LANGUAGE sql AS $$
    INSERT INTO public.calls (table_name, operation, new_row, old_row) VALUES ($1, $2, $3, $4);
    SELECT 'user:' || ($3 ->> 'reader');
  $$`;

async function makeTables(database: TestDatabase): Promise<void> {
  await database.query('CREATE SCHEMA app');
  await database.query(
    createTableSql(
      'docs',
      `user_id text NOT NULL, body text, n integer, flag boolean, big bigint, price numeric(10,2), tags text[],
       info jsonb, raw json, at timestamptz, "t" text, "d'""q" text, file bytea`,
    ),
  );
  await database.query(
    createTableSql(
      'pages',
      'doc_id uuid NOT NULL REFERENCES docs, reader text, loud text GENERATED ALWAYS AS (upper(reader)) STORED',
    ),
  );
  await database.query(createTableSql('lines', 'page_id uuid NOT NULL REFERENCES pages'));
  await database.query(createTableSql('others', 'user_id text NOT NULL'));
  await database.query('CREATE TABLE members (doc_id uuid, user_id text, PRIMARY KEY (doc_id, user_id))');
  for (const statement of [CALLS, DOC_BUCKETS, PAGE_BUCKETS]) await database.query(statement);
}

const ENTITIES = [Doc, Page, Line, Other, Member];

/** The host's rule, which a bucket function overrides: everything is Zoe's. */
class ZoesResolver extends OwnershipResolver {
  override resolveOwner(table: string, { data }: ResolveRow): readonly string[] {
    if (table === 'marks') return ['global'];
    return table === 'lines' ? [] : ['user:zoe', ...(data['user_id'] === 'bad' ? [''] : [])];
  }
}

interface Call {
  readonly operation: string;
  readonly new_row: Record<string, unknown>;
  readonly old_row: Record<string, unknown> | null;
}

describe.each([
  ['the default resolver', []],
  ['a resolver of the host', [{ provide: OwnershipResolver, useClass: ZoesResolver }]],
])('a bucket function beside %s', (_, providers) => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await makeTables(database);
    const replication = { maxBucketsPerRow: 3, ruleTimeout: '3s' };
    app = await startWalApp(database, ENTITIES, { providers, replication });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  async function insertDoc(columns: Record<string, string> = {}, id = randomUUID()): Promise<string> {
    const all = { id: `'${id}'`, user_id: `'alice'`, ...columns };
    await commit(
      `INSERT INTO docs (${Object.keys(all).join(', ')}) VALUES (${Object.values(all).join(', ')})`,
    );
    return id;
  }

  async function callsFor(id: string): Promise<readonly Call[]> {
    return database.query<Call & Record<string, unknown>>(
      `SELECT operation, new_row, old_row FROM calls WHERE table_name = 'docs' AND new_row ->> 'id' = $1 ORDER BY n`,
      [id],
    );
  }

  async function openFailures(id: string): Promise<readonly string[]> {
    const rows = await database.query<{ error_text: string }>(
      'SELECT error_text FROM sync_rule_failures WHERE record_id = $1 AND resolved_at IS NULL',
      [id],
    );
    return rows.map(({ error_text: text }) => text);
  }

  it('says which buckets a row is in; nulls, empty strings and duplicates are passed over [W-OWN-1]', async () => {
    const doc = await insertDoc();
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice']);
  });

  it('leaves other tables to the resolver', async () => {
    const id = randomUUID();
    await commit(`INSERT INTO others (id, user_id) VALUES ('${id}', 'alice')`);
    const expected = providers.length === 0 ? ['user:alice'] : ['user:zoe'];
    expect(await edgesOf(database, 'others', id)).toEqual(expected);
  });

  it('is given typed values, by the names of the columns [W-OWN-2]', async () => {
    const doc = await insertDoc({
      body: `E'it''s "quoted" \\\\ and\\nmore'`,
      n: '1',
      flag: 'false',
      big: '9223372036854775807',
      price: '12.50',
      tags: `ARRAY['a', 'b,c']`,
      info: `'{"deep": [1, true, null]}'`,
      raw: `'[1.50]'`,
      at: `'2026-01-02 03:04:05.123456+02'`,
      t: `'a column named like an alias'`,
      [`"d'""q"`]: `'odd'`,
      file: `'\\xdeadbeef'`,
    });
    const [call] = await callsFor(doc);
    expect(call).toMatchObject({
      operation: 'create',
      old_row: null,
      new_row: {
        id: doc,
        user_id: 'alice',
        body: `it's "quoted" \\ and\nmore`,
        n: 1,
        flag: false,
        price: 12.5,
        tags: ['a', 'b,c'],
        info: { deep: [1, true, null] },
        raw: [1.5],
        at: '2026-01-02T01:04:05.123456+00:00',
        t: 'a column named like an alias',
        [`d'"q`]: 'odd',
        file: '\\xdeadbeef',
        deleted_at: null,
      },
    });
    const [exact] = await database.query(
      `SELECT new_row = to_jsonb(docs) AS same FROM calls JOIN docs ON docs.id::text = new_row ->> 'id' WHERE docs.id = $1`,
      [doc],
    );
    expect(exact).toEqual({ same: true });
  });

  it('is not given generated columns, which the WAL does not have', async () => {
    const page = randomUUID();
    const doc = await insertDoc();
    await commit(`INSERT INTO pages (id, doc_id, reader) VALUES ('${page}', '${doc}', 'bob')`);
    // Once from the WAL, once as a child that follows.
    await commit(`UPDATE docs SET user_id = 'bob' WHERE id = '${doc}'`);
    const calls = await database.query<{ new_row: object }>(
      `SELECT new_row FROM calls WHERE new_row ->> 'id' = $1`,
      [page],
    );
    expect(calls).toHaveLength(2);
    for (const { new_row: row } of calls) {
      expect(Object.keys(row).toSorted()).toEqual(['deleted_at', 'doc_id', 'id', 'reader', 'updated_at']);
    }
  });

  it('is asked for a soft-deleted row as for an update, so that what is under it stays in view', async () => {
    const [page, line] = [randomUUID(), randomUUID()];
    const doc = await insertDoc();
    await commit(
      `INSERT INTO pages (id, doc_id, reader) VALUES ('${page}', '${doc}', 'bob')`,
      `INSERT INTO lines (id, page_id) VALUES ('${line}', '${page}')`,
    );
    await commit(`UPDATE docs SET deleted_at = now() WHERE id = '${doc}'`);
    expect((await callsFor(doc)).map(({ operation }) => operation)).toEqual(['create', 'update']);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice (dead)']);
    expect(await edgesOf(database, 'pages', page)).toEqual(['user:alice', 'user:bob']);
    expect(await edgesOf(database, 'lines', line)).toEqual(['user:alice', 'user:bob']);
  });

  it('is not asked for a deleted row, which leaves by the edges that it has', async () => {
    const doc = await insertDoc();
    await commit(`DELETE FROM docs WHERE id = '${doc}'`);
    expect(await callsFor(doc)).toHaveLength(1);
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice', 'delete user:alice']);
  });

  it('is given the old row where the table has REPLICA IDENTITY FULL [W-OWN-2]', async () => {
    const doc = await insertDoc({ n: '1' });
    await commit(`UPDATE docs SET n = 2 WHERE id = '${doc}'`);
    await database.query('ALTER TABLE docs REPLICA IDENTITY FULL');
    await commit(`UPDATE docs SET n = 3, info = '{"a": 1}' WHERE id = '${doc}'`);
    await database.query('ALTER TABLE docs REPLICA IDENTITY DEFAULT');
    const calls = await callsFor(doc);
    expect(calls.map(({ old_row: old }) => old?.['n'] ?? null)).toEqual([null, null, 2]);
    expect(calls[2]?.old_row).toMatchObject({ id: doc, user_id: 'alice', info: null });
  });

  it('is given values that are stored out of line and were not sent again [W-WAL-11]', async () => {
    const doc = await insertDoc({
      body: `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 500) AS i)`,
    });
    await commit(`UPDATE docs SET n = 1 WHERE id = '${doc}'`);
    const [, second] = await callsFor(doc);
    expect(String(second?.new_row['body'])).toHaveLength(16_000);
  });

  it('moves a row, and all that is under it, at once', async () => {
    const [page, line] = [randomUUID(), randomUUID()];
    const doc = await insertDoc();
    await commit(
      `INSERT INTO pages (id, doc_id) VALUES ('${page}', '${doc}')`,
      `INSERT INTO lines (id, page_id) VALUES ('${line}', '${page}')`,
    );
    expect(await edgesOf(database, 'lines', line)).toEqual(['user:alice']);
    await commit(`UPDATE docs SET user_id = 'bob' WHERE id = '${doc}'`);
    for (const [table, id] of Object.entries({ docs: doc, pages: page, lines: line })) {
      expect(await edgesOf(database, table, id), table).toEqual(['user:bob']);
      expect(await logOf(database, table, id), table).toEqual([
        'create user:alice',
        'delete user:alice',
        'create user:bob',
      ]);
    }
  });

  it('is asked again when a bucket source names the row', async () => {
    const doc = await insertDoc();
    await commit(`INSERT INTO members VALUES ('${doc}', 'carol')`);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice', 'user:carol']);
    await commit(`DELETE FROM members WHERE doc_id = '${doc}'`);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
  });

  it('that throws for a row costs that row alone, which is tried again until it works', async () => {
    const [first, bad, last] = [randomUUID(), randomUUID(), randomUUID()];
    await commit(
      `INSERT INTO docs (id, user_id, body) VALUES ('${first}', 'alice', ''), ('${bad}', 'alice', 'broken'), ('${last}', 'bob', '')`,
    );
    expect(await edgesOf(database, 'docs', first)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'docs', last)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'docs', bad)).toEqual([]);
    expect(await openFailures(bad)).toEqual([`no buckets for ${bad}`]);
    await commit(`UPDATE docs SET body = 'fixed' WHERE id = '${bad}'`);
    expect(await edgesOf(database, 'docs', bad)).toEqual(['user:alice']);
    expect(await openFailures(bad)).toEqual([]);
  });

  it('that never ends for a row is cancelled, and costs that row alone', async () => {
    const [first, bad, last] = [await insertDoc(), await insertDoc(), await insertDoc()];
    await commit(
      `UPDATE docs SET user_id = 'bob', body = CASE WHEN id = '${bad}' THEN 'endless' END
        WHERE id IN ('${first}', '${bad}', '${last}')`,
    );
    expect(await edgesOf(database, 'docs', first)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'docs', last)).toEqual(['user:bob']);
    expect(await edgesOf(database, 'docs', bad)).toEqual(['user:alice']);
    expect(await openFailures(bad)).toEqual([
      expect.stringMatching(
        new RegExp(`^app\\.Doc_Buckets was cancelled after \\d+ ms, called for docs ${bad}\\n`),
      ),
    ]);
    // Other changes are applied between its retries.
    expect(await edgesOf(database, 'docs', await insertDoc())).toEqual(['user:alice']);
    await commit(`UPDATE docs SET body = 'fixed' WHERE id = '${bad}'`);
    expect(await edgesOf(database, 'docs', bad)).toEqual(['user:bob']);
    expect(await openFailures(bad)).toEqual([]);
  });

  it('that names too many buckets is a failure of that row, which keeps those that it had', async () => {
    const doc = await insertDoc({ n: '2' });
    expect(await edgesOf(database, 'docs', doc)).toEqual(['many:1', 'many:2', 'user:alice']);
    await commit(`UPDATE docs SET n = 3 WHERE id = '${doc}'`);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['many:1', 'many:2', 'user:alice']);
    expect(await openFailures(doc)).toEqual([
      expect.stringContaining(
        `app.Doc_Buckets answered 4 buckets for docs ${doc}: more than replication.maxBucketsPerRow, 3`,
      ),
    ]);
  });

  it('goes on after columns came and went', async () => {
    await database.query('ALTER TABLE docs ADD COLUMN later integer DEFAULT 5, DROP COLUMN price');
    const doc = await insertDoc();
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect((await callsFor(doc))[0]?.new_row).toMatchObject({ later: 5 });
    expect((await callsFor(doc))[0]?.new_row).not.toHaveProperty('price');
  });

  it('that is gone stops nothing: rows keep their buckets until it is back', async () => {
    const doc = await insertDoc();
    const other = randomUUID();
    await database.query('ALTER FUNCTION app.doc_buckets RENAME TO elsewhere');
    await commit(
      `UPDATE docs SET user_id = 'bob' WHERE id = '${doc}'`,
      `INSERT INTO others (id, user_id) VALUES ('${other}', 'alice')`,
    );
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'others', other)).toHaveLength(1);
    await database.query('ALTER FUNCTION app.elsewhere RENAME TO doc_buckets');
    await eventually(async () => {
      expect(await edgesOf(database, 'docs', doc)).toEqual(['user:bob']);
    });
  });

  it('decides what devices see, by pull and by snapshot, whatever the owner column says', async () => {
    const device = new Device(app.url, 'reader-1');
    await device.start();
    const doc = await insertDoc();
    await commit(
      `INSERT INTO members VALUES ('${doc}', 'reader-1')`,
      `INSERT INTO pages (id, doc_id) VALUES ('${doc}', '${doc}')`,
      `INSERT INTO lines (page_id) VALUES ('${doc}')`,
    );
    await device.pull();
    expect(device.row('docs', doc)).toBeDefined();
    // The default rule knows nothing of what they inherit.
    expect([device.rows('pages').size, device.rows('lines').size]).toEqual([1, 1]);
    const fresh = new Device(app.url, 'reader-1');
    await fresh.start();
    expect(fresh.row('docs', doc)).toBeDefined();
    expect([fresh.rows('pages').size, fresh.rows('lines').size]).toEqual([1, 1]);
  });

  it("shows what it names in a push's answers, but lets the owner alone write", async () => {
    const doc = await insertDoc({ body: `'of Alice'` });
    await commit(`INSERT INTO members VALUES ('${doc}', 'reader-2')`);
    const device = new Device(app.url, 'reader-2');
    await device.start();
    const answer = await device.push([
      { id: doc, table_name: 'docs', operation: 'update', data: { body: 'mine' } },
    ]);
    expect(answer.rejected).toMatchObject([
      { reason_code: 'ownership_violation', server_version: { data: { body: 'of Alice' } } },
    ]);
    await commit(`DELETE FROM members WHERE user_id = 'reader-2'`);
    const hidden = await device.push([
      { id: doc, table_name: 'docs', operation: 'update', data: { body: 'mine' } },
    ]);
    expect(JSON.stringify(hidden)).not.toContain('of Alice');
  });

  it('is named in the contract', async () => {
    const device = new Device(app.url, 'reader-3');
    const { tables } = await device.schema();
    const answer = await device.send('tables');
    const named = { docs: 'app.Doc_Buckets', pages: '"page buckets"' };
    for (const list of [tables, (answer.json as unknown as { tables: typeof tables }).tables]) {
      const functions = list.flatMap((table) =>
        'bucket_function' in table ? [[table.table_name, table.bucket_function]] : [],
      );
      expect(Object.fromEntries(functions)).toEqual(named);
      const docs = list.find((table) => table.table_name === 'docs');
      expect(docs, 'no bucket column is inferred').not.toHaveProperty('bucket_by_column');
    }
  });
});

describe('the default rule beside a bucket function', () => {
  let database: TestDatabase;
  let app: RunningApp;

  beforeAll(async () => {
    database = await createDatabase();
    await makeTables(database);
    app = await startWalApp(database, ENTITIES);
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('still withholds a row that has moved on, of a table without one [interleaving 9]', async () => {
    const alice = new Device(app.url, 'alice');
    await alice.start();
    const [other, doc] = [randomUUID(), randomUUID()];
    await inOneTransaction(
      database,
      `INSERT INTO others (id, user_id) VALUES ('${other}', 'alice')`,
      `INSERT INTO docs (id, user_id) VALUES ('${doc}', 'alice')`,
    );
    await applied(database);
    await withPausedConsumer(database, async () => {
      await database.query(`UPDATE others SET user_id = 'bob' WHERE id = $1`, [other]);
      await consumerWaits(database);
      await alice.pull();
    });
    expect(alice.row('others', other)).toBeUndefined();
    expect(alice.row('docs', doc)).toBeDefined();
  });

  it('makes the first edges of rows that were there before, but for those that it fails for', async () => {
    await app.close();
    const before = await createDatabase();
    await makeTables(before);
    const [doc, bad, page, line] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    await inOneTransaction(
      before,
      `INSERT INTO docs (id, user_id, body) VALUES ('${bad}', 'alice', 'broken')`,
      `INSERT INTO docs (id, user_id, n) VALUES ('${doc}', 'alice', 1)`,
      `INSERT INTO pages (id, doc_id, reader) VALUES ('${page}', '${doc}', 'bob')`,
      `INSERT INTO lines (id, page_id) VALUES ('${line}', '${page}')`,
    );
    const second = await startWalApp(before, ENTITIES);
    expect(await edgesOf(before, 'docs', doc)).toEqual(['many:1', 'user:alice']);
    expect(await edgesOf(before, 'lines', line)).toEqual(['many:1', 'user:alice', 'user:bob']);
    expect(await edgesOf(before, 'docs', bad)).toEqual([]);
    expect(await before.query('SELECT record_id FROM sync_rule_failures')).toEqual([{ record_id: bad }]);
    await second.close();
    await before.drop();
  });
});
