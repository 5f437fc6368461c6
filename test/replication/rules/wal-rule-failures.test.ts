import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { OwnershipResolver, SyncStatus, type ResolveRow } from 'nestjs-synchro';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTableSql } from '../../support/schema-fixtures.js';
import type { RunningApp } from '../../support/app.js';
import { createDatabase, type TestDatabase } from '../../support/database.js';
import { Doc, Page } from '../../support/docs-and-pages.js';
import { eventually } from '../../support/wait.js';
import { applied, edgesOf, inOneTransaction, logOf, startWalApp } from '../../support/wal-app.js';

/** Rows that no bucket can be found for at the moment, and what is thrown for them. */
const broken = new Map<string, () => Error>();
/** So many questions, about whatever row, end as if something were down. */
let outage = 0;
/** Rows for which nothing sensible is answered. */
const senseless = new Set<string>();
/** What the next question waits for. */
let obstacle: Promise<void> | null = null;
/** How often each row was asked for. */
const asked = new Map<string, number>();

class BrokenResolver extends OwnershipResolver {
  override async resolveOwners(
    table: string,
    rows: readonly ResolveRow[],
  ): Promise<readonly (readonly string[])[]> {
    await obstacle;
    if (outage > 0) {
      outage--;
      throw Object.assign(new Error('connection lost'), { code: '08006' });
    }
    return rows.map((row) => this.bucketsOf(table, row));
  }

  private bucketsOf(table: string, { recordId, data }: ResolveRow): readonly string[] {
    asked.set(recordId, (asked.get(recordId) ?? 0) + 1);
    const error = broken.get(recordId)?.();
    if (error) throw error;
    if (senseless.has(recordId)) return [''];
    if (table === 'pages') return [];
    return [table === 'docs' ? `user:${data['user_id']}` : 'global'];
  }
}

function insertDoc(id: string, user = 'alice'): string {
  return `INSERT INTO docs (id, user_id) VALUES ('${id}', '${user}')`;
}

function fails(id: string): void {
  broken.set(id, () => new Error(`no owner for ${id}`));
}

describe('a rule that fails for a row', () => {
  let database: TestDatabase;
  let app: RunningApp;
  let doc: string;

  beforeAll(async () => {
    database = await createDatabase();
    await database.query(createTableSql('docs', 'user_id text NOT NULL'));
    await database.query(createTableSql('pages', 'doc_id uuid NOT NULL'));
    app = await startWalApp(database, [Doc, Page], {
      providers: [{ provide: OwnershipResolver, useClass: BrokenResolver }],
      replication: { ruleTimeout: 200 },
    });
  });

  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  beforeEach(() => {
    doc = randomUUID();
    broken.clear();
    senseless.clear();
  });

  async function commit(...statements: string[]): Promise<void> {
    await inOneTransaction(database, ...statements);
    await applied(database);
  }

  const moveDoc = (user: string): string => `UPDATE docs SET user_id = '${user}' WHERE id = '${doc}'`;

  interface Failure {
    readonly table_name: string;
    readonly error_text: string;
    readonly attempts: number;
    readonly open: boolean;
  }

  async function failuresOf(id: string): Promise<readonly Failure[]> {
    return database.query<Failure & Record<string, unknown>>(
      `SELECT table_name, error_text, attempts, resolved_at IS NULL AS open
         FROM sync_rule_failures WHERE record_id = $1`,
      [id],
    );
  }

  async function resolved(id: string): Promise<void> {
    await eventually(async () => (await failuresOf(id)).every(({ open }) => !open));
  }

  it('leaves the row the buckets that it had, and is recorded [W-WAL-7]', async () => {
    await commit(insertDoc(doc));
    fails(doc);
    await commit(moveDoc('bob'));
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect(await failuresOf(doc)).toMatchObject([
      { table_name: 'docs', error_text: `no owner for ${doc}`, open: true },
    ]);
  });

  it('is named while it does not answer, and is done when it does', async () => {
    const status = app.app.get(SyncStatus, { strict: false });
    const opened = new EventEmitter();
    obstacle = once(opened, 'open').then(() => undefined);
    await inOneTransaction(database, insertDoc(doc));
    await eventually(async () => {
      const { consumer } = await status.read();
      return consumer.state === 'failing' && consumer.error?.includes('asked about 1 rows of docs') === true;
    });
    obstacle = null;
    opened.emit('open');
    await applied(database);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    await eventually(async () => (await status.read()).consumer.state === 'consuming');
  });

  it('does not keep the change from those who have the row [W-WAL-7]', async () => {
    await commit(insertDoc(doc));
    fails(doc);
    await commit(moveDoc('bob'));
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice', 'update user:alice']);
  });

  it('does not concern the other rows of the batch', async () => {
    const [first, last] = [randomUUID(), randomUUID()];
    fails(doc);
    await commit(insertDoc(first), insertDoc(doc), insertDoc(last, 'bob'));
    expect(await edgesOf(database, 'docs', first)).toEqual(['user:alice']);
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
    expect(await edgesOf(database, 'docs', last)).toEqual(['user:bob']);
    for (const id of [first, last]) expect(await failuresOf(id)).toEqual([]);
  });

  it('is tried again until it works, and the row is then announced [W-WAL-7]', async () => {
    fails(doc);
    await commit(insertDoc(doc));
    await eventually(async () => expect((await failuresOf(doc))[0]?.attempts).toBeGreaterThan(1));
    broken.clear();
    await resolved(doc);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice']);
  });

  it('is over as soon as a later change of the row works', async () => {
    fails(doc);
    await commit(insertDoc(doc));
    broken.clear();
    await commit(moveDoc('bob'));
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:bob']);
    await resolved(doc);
  });

  it('is over when the row is gone', async () => {
    fails(doc);
    await commit(insertDoc(doc));
    await commit(`DELETE FROM docs WHERE id = '${doc}'`);
    await resolved(doc);
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
  });

  it('holds the children back only until it works [W-WAL-7]', async () => {
    const page = randomUUID();
    fails(doc);
    await commit(insertDoc(doc), `INSERT INTO pages (id, doc_id) VALUES ('${page}', '${doc}')`);
    expect(await edgesOf(database, 'pages', page)).toEqual([]);
    broken.clear();
    await resolved(doc);
    expect(await edgesOf(database, 'pages', page)).toEqual(['user:alice']);
  });

  it('is also one that answers an empty bucket', async () => {
    senseless.add(doc);
    await commit(insertDoc(doc));
    expect(await edgesOf(database, 'docs', doc)).toEqual([]);
    expect((await failuresOf(doc))[0]?.error_text).toMatch(
      /BrokenResolver.resolveOwners answered an empty bucket/,
    );
    senseless.clear();
    await resolved(doc);
  });

  it.each(['ECONNREFUSED', '40001', '08006'])(
    'is one also where it always fails as if something were down (%s), and the others go on [W-HOST-48]',
    async (code) => {
      const [before, later] = [randomUUID(), randomUUID()];
      await commit(insertDoc(before), insertDoc(doc));
      broken.set(doc, () => Object.assign(new Error(`it is down for ${doc}`), { code }));
      await commit(insertDoc(later), moveDoc('bob'));
      expect(await edgesOf(database, 'docs', later)).toEqual(['user:alice']);
      expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
      expect(await failuresOf(doc)).toMatchObject([{ error_text: `it is down for ${doc}`, open: true }]);
      // Also while it is tried again, and where there is no other row in the batch.
      await eventually(async () => expect((await failuresOf(doc))[0]?.attempts).toBeGreaterThan(1));
      await commit(moveDoc('carol'));
      expect((await app.app.get(SyncStatus, { strict: false }).read()).consumer.state).toBe('consuming');
      broken.clear();
      await resolved(doc);
      expect(await edgesOf(database, 'docs', doc)).toEqual(['user:carol']);
    },
  );

  it('is none when the database could not be asked: the row is asked about again [W-WAL-7]', async () => {
    let lost = 2;
    broken.set(doc, () => {
      if (--lost === 0) broken.delete(doc);
      return Object.assign(new Error('connection lost'), { code: '08006' });
    });
    await commit(insertDoc(doc));
    expect(asked.get(doc)).toBeGreaterThan(2);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:alice']);
    expect(await logOf(database, 'docs', doc)).toEqual(['create user:alice']);
    expect(await failuresOf(doc)).toEqual([]);
  });

  it('is none while nothing is answered for: the batch is applied again [W-WAL-7] [W-HOST-49]', async () => {
    await commit(insertDoc(doc));
    outage = 7;
    await commit(moveDoc('bob'));
    expect(outage).toBe(0);
    expect(await edgesOf(database, 'docs', doc)).toEqual(['user:bob']);
    expect(await failuresOf(doc)).toEqual([]);
  });
});
