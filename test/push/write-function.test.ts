import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushChange, PushResult } from '../../lib/engine/push/push-change.js';
import { OwnerWritePolicy, PerTableWritePolicy, WritePolicy, type WriteQuestion } from '../../lib/index.js';
import { ACCESSES, change, type PushFixture, pushFixture } from '../support/push-fixture.js';
import { ALICE, BOB } from '../support/push-tables.js';
import { createTableSql, owned, readOnly } from '../support/schema-fixtures.js';

const WRITE_FUNCTION = { text: 'may_write', schema: 'public', name: 'may_write' };

const TABLES = [
  owned('docs', { writeFunction: WRITE_FUNCTION }),
  readOnly('parts', {
    pushPolicy: 'owner_only',
    parent: 'docs',
    parentFkColumn: 'doc_id',
    protectedColumns: new Set(['id', 'updated_at', 'deleted_at', 'doc_id']),
    depth: 1,
  }),
];

const DDL = [
  createTableSql('docs', `user_id uuid NOT NULL, kept text, t jsonb, editor uuid, state text DEFAULT 'open'`),
  createTableSql('parts', 'doc_id uuid NOT NULL REFERENCES docs, title text'),
  // Owner and editor write what is open; it is handed only to a user who is no robot; null for what is odd.
  `CREATE FUNCTION may_write(table_name text, user_id text, old_row jsonb, new_row jsonb) RETURNS boolean
     LANGUAGE sql STABLE AS $$
     SELECT CASE WHEN new_row ->> 'state' = 'odd' THEN NULL ELSE
       $1 = 'docs' AND coalesce(old_row ->> 'state', 'open') = 'open'
       AND $2 IN (coalesce(old_row, new_row) ->> 'user_id', coalesce(old_row, new_row) ->> 'editor')
       AND new_row ->> 'kept' IS DISTINCT FROM 'refused' END $$`,
];

const REFUSED = { status: 'rejected_terminal' };
const APPLIED = { status: 'applied' };

describe.each(ACCESSES)('a function that says who writes, as %s', (access) => {
  let push: PushFixture;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL, access);
  });
  afterAll(() => push.close());

  async function insert(values: { editor?: string; state?: string } = {}): Promise<string> {
    const id = randomUUID();
    const { editor = BOB, state = 'open' } = values;
    await push.db.query(
      `INSERT INTO docs (id, user_id, kept, editor, state) VALUES ($1, $2, 'old', $3, $4)`,
      [id, ALICE, editor, state],
    );
    await push.addEdge('docs', id, `user:${editor}`);
    return id;
  }

  const byBob = (...changes: PushChange[]): Promise<readonly PushResult[]> => push.push(BOB, changes);
  const row = async (id: string): Promise<Record<string, unknown> | undefined> =>
    (await push.db.query('SELECT user_id, kept, state, deleted_at FROM docs WHERE id = $1', [id]))[0];

  it('lets an editor change, close and delete a row, and write what belongs to it', async () => {
    const [id, other, part] = [await insert(), await insert(), randomUUID()];
    const results = await byBob(
      change('create', 'parts', part, { doc_id: id, title: 'x' }),
      change('update', 'docs', id, { kept: 'new', t: { a: 1 } }),
      change('update', 'docs', id, { state: 'closed' }),
      change('delete', 'docs', other),
    );
    expect(results).toMatchObject([APPLIED, APPLIED, APPLIED, APPLIED]);
    expect(await row(id)).toMatchObject({ user_id: ALICE, kept: 'new', state: 'closed', deleted_at: null });
    expect((await row(other))?.['deleted_at']).not.toBeNull();
  });

  it('keeps the owner, too, from what is closed, and others from everything', async () => {
    const [closed, foreign] = [await insert({ state: 'closed' }), await insert({ editor: ALICE })];
    expect(await push.pushOne(ALICE, change('update', 'docs', closed, { kept: 'x' }))).toMatchObject(REFUSED);
    const results = await byBob(
      change('update', 'docs', foreign, { kept: 'x' }),
      change('delete', 'docs', closed),
      change('create', 'parts', randomUUID(), { doc_id: foreign }),
    );
    expect(results).toMatchObject([REFUSED, REFUSED, REFUSED]);
    expect(results.map(({ server_version }) => server_version !== undefined)).toEqual([false, true, false]);
    expect(await row(foreign)).toMatchObject({ kept: 'old' });
  });

  it('sees the row that is wanted: an update and a create by what the device sends, a null by nothing', async () => {
    const id = await insert();
    const [made, bad] = [randomUUID(), randomUUID()];
    const results = await byBob(
      change('create', 'docs', made, { kept: 'mine', user_id: ALICE }),
      change('create', 'docs', bad, { kept: 'refused' }),
      change('update', 'docs', id, { kept: 'refused' }),
    );
    expect(results).toMatchObject([APPLIED, REFUSED, { ...REFUSED, reason_code: 'ownership_violation' }]);
    expect(await row(made)).toMatchObject({ user_id: BOB, kept: 'mine' });
    expect(await row(bad)).toBeUndefined();
    expect(await byBob(change('update', 'docs', id, { state: 'odd' }))).toMatchObject([REFUSED]);
    expect(await row(id)).toMatchObject({ kept: 'old', state: 'open' });
  });

  it('is asked again by the statement that writes: a row that is closed meanwhile stays [W-WRITE-4]', async () => {
    const id = await insert();
    const result = await push.whileOpen(
      (manager) => manager.query(`UPDATE docs SET state = 'closed' WHERE id = $1`, [id]),
      () => push.pushOne(BOB, change('update', 'docs', id, { kept: 'late' })),
    );
    expect(result).toMatchObject(REFUSED);
    expect(await row(id)).toMatchObject({ kept: 'old' });
  });

  it('is what a write policy hears as the default', async () => {
    const asked: unknown[] = [];
    class Watching extends WritePolicy {
      override decide({ changes }: WriteQuestion): readonly boolean[] {
        asked.push(...changes.map(({ byDefault }) => byDefault));
        return changes.map(({ byDefault }) => byDefault);
      }
    }
    const policy = new PerTableWritePolicy({ docs: new Watching() }, new OwnerWritePolicy());
    const [first, second] = [await insert(), await insert()];
    const results = await push.push(
      BOB,
      [
        change('create', 'docs', randomUUID(), { kept: 'refused' }),
        change('update', 'docs', first, { kept: 'refused' }),
        change('update', 'docs', second, { kept: 'fine' }),
      ],
      { policy },
    );
    expect(results).toMatchObject([REFUSED, REFUSED, APPLIED]);
    expect(asked).toEqual([false, false, true]);
  });
});
