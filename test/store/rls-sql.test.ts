import { randomUUID } from 'node:crypto';
import { escapeIdentifier } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SyncTable } from '../../lib/registry/sync-table.js';
import { synchroMigrationsSql } from '../../lib/store/migrations/index.js';
import { rlsSql } from '../../lib/store/rls/rls.js';
import { qualify } from '../../lib/database/sync-schema.js';
import { createTableSql, owned, readOnly } from '../support/schema-fixtures.js';
import { withClient } from '../support/client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { createRole, type TestRole } from '../support/roles.js';

/** The statements about one table. */
const about = (table: SyncTable, statements: readonly string[]): readonly string[] =>
  statements.filter(
    (sql) => sql.includes(` ON ${table.sql} FOR `) || sql.startsWith(`ALTER TABLE ${table.sql} `),
  );

/** The one statement that makes a policy. */
const policy = (statements: readonly string[], name: string): string =>
  statements.find((sql) => sql.includes(`CREATE POLICY "${name}"`)) ?? '';

const tasks = owned('tasks');
const comments = readOnly('comments', {
  pushPolicy: 'owner_only',
  parent: 'tasks',
  parentFkColumn: 'task_id',
  depth: 1,
});

const idsOf = (table: SyncTable): string => `SELECT id FROM ${table.sql} ORDER BY id`;
const exists = (table: string, id: string | undefined): string =>
  `SELECT sync_row_exists($t$${table}$t$, '${id}') AS id`;
const sorted = (...ids: (string | undefined)[]): unknown =>
  ids.toSorted((a = '', b = '') => (a < b ? -1 : 1));

describe('the statements', () => {
  it('[scenario 99] of a push-disabled reference table are three, and none of them lets anyone write', () => {
    const statements = rlsSql([readOnly('categories')]);
    expect(statements).toHaveLength(3);
    expect(policy(statements, 'sync_read_categories')).toMatch(/FOR SELECT TO PUBLIC\s+USING \(true\)/);
    expect(statements.join()).not.toMatch(/FOR (INSERT|UPDATE|DELETE)/);
  });

  it("[scenario 100] of an owner's table compare the owner's text with app.user_id, and know no row of nobody's", () => {
    const read = policy(rlsSql([tasks]), 'sync_read_tasks');
    expect(read).toContain(`"tasks"."user_id"::text = nullif(current_setting('app.user_id', true), '')`);
    expect(read).not.toContain('IS NULL');
  });

  it('[scenario 101] of allowGlobalRead let everyone read what has no owner, and nobody write it', () => {
    const statements = rlsSql([owned('tags', { allowGlobalRead: true })]);
    expect(policy(statements, 'sync_read_tags')).toContain('"tags"."user_id" IS NULL');
    for (const kind of ['ins', 'upd', 'del'])
      expect(policy(statements, `sync_write_${kind}_tags`)).not.toContain('IS NULL');
  });

  it('[scenario 102] of a child are six, and look for the owner through the parent', () => {
    const statements = about(comments, rlsSql([tasks, comments]));
    expect(statements).toHaveLength(6);
    for (const name of ['sync_read_comments', 'sync_write_ins_comments'])
      expect(policy(statements, name)).toContain('EXISTS (SELECT FROM "public"."tasks" AS "ancestor_0"');
  });

  it('are about all roles, and not about the owner of the tables, unless configured so [W-OWN-4]', () => {
    expect(rlsSql([tasks]).join()).not.toContain('GRANT');
    expect(rlsSql([tasks])).toContain('ALTER TABLE "public"."tasks" NO FORCE ROW LEVEL SECURITY');
    const forced = rlsSql([tasks], { force: true, role: 'o"r' });
    expect(forced).toContain('ALTER TABLE "public"."tasks" FORCE ROW LEVEL SECURITY');
    expect(policy(forced, 'sync_write_del_tasks')).toContain('FOR DELETE TO "o""r"');
    expect(forced).toContain('GRANT SELECT, INSERT, UPDATE, DELETE ON "public"."tasks" TO "o""r"');
  });

  it('show rows that nobody owns by their buckets, where they have a rule of their own', () => {
    for (const rule of [
      { bucketByColumn: 'team' },
      { bucketFunction: { schema: 'public', name: 'buckets_of', text: 'buckets_of' } },
    ]) {
      const read = policy(rlsSql([readOnly('news', rule)]), 'sync_read_news');
      expect(read).toMatch(/USING \(EXISTS \(SELECT FROM :sync.sync_bucket_edges/);
    }
  });

  it('read by bucket, unless configured otherwise', () => {
    expect(policy(rlsSql([tasks]), 'sync_read_tasks')).toContain('sync_bucket_edges');
    expect(rlsSql([tasks], { readByBucket: false }).join()).not.toContain('sync_bucket_edges');
  });
});

describe('in a database', () => {
  const ALICE = 'aaaaaaaa-0000-4000-8000-000000000001';
  const BOB = 'bbbbbbbb-0000-4000-8000-000000000002';
  /** Names that only quotes let through, another schema, three levels, and a parent that clients don't push. */
  const lists = owned("my Li$t's \\", {
    schema: 'Other "s',
    ownerColumn: 'The Owner',
    bucketByColumn: 'The Owner',
    allowGlobalRead: true,
    pushPolicy: 'disabled',
  });
  const items = readOnly('order', {
    pushPolicy: 'owner_only',
    parent: lists.name,
    parentFkColumn: 'List',
    depth: 1,
    allowGlobalRead: true,
  });
  const parts = readOnly('parts', {
    pushPolicy: 'owner_only',
    parent: 'order',
    parentFkColumn: 'order_id',
    depth: 2,
  });
  const files = owned('files', { parent: 'order', parentFkColumn: 'order_id', depth: 2 });
  const teams = readOnly('teams', { bucketByColumn: 'team', bucketPrefix: 'team:' });
  const tables = [lists, items, parts, files, teams];
  const [list, ofBob, ofNobody, item, part] = Array.from({ length: 5 }, () => randomUUID());

  let db: TestDatabase;
  let role: TestRole;

  beforeAll(async () => {
    db = await createDatabase();
    role = await createRole(db);
    await db.query(`CREATE SCHEMA ${escapeIdentifier(lists.schema)}`);
    for (const sql of [
      ...synchroMigrationsSql(),
      createTableSql(lists.sql, '"The Owner" text, name text'),
      createTableSql(items.sql, `"List" uuid REFERENCES ${lists.sql}`),
      createTableSql(parts.sql, `order_id uuid REFERENCES ${items.sql}`),
      createTableSql(files.sql, `user_id uuid, order_id uuid REFERENCES ${items.sql}`),
      createTableSql(teams.sql, 'team text'),
    ])
      await db.query(sql);
    await apply(tables);
    await db.query(
      `INSERT INTO ${lists.sql} (id, "The Owner") VALUES ($1, $2), ($3, $4), ($5, NULL), ($6, '')`,
      [list, ALICE.toUpperCase(), ofBob, BOB, ofNobody, randomUUID()],
    );
    await db.query(`INSERT INTO ${items.sql} (id, "List") VALUES ($1, $2), ($3, $4), ($5, $6)`, [
      item,
      list,
      ofBob,
      ofBob,
      ofNobody,
      ofNobody,
    ]);
    await db.query('INSERT INTO parts (id, order_id) VALUES ($1, $2), ($3, $3)', [part, item, ofBob]);
    await db.query(`INSERT INTO teams (id, team) VALUES ($1, 'red'), ($2, 'blue')`, [list, ofBob]);
  });
  afterAll(async () => {
    await db.drop();
    await role.drop();
  });

  async function apply(of: readonly SyncTable[], options: Parameters<typeof rlsSql>[1] = {}): Promise<void> {
    for (const sql of rlsSql(of, { role: role.name, ...options })) await db.query(qualify(sql, 'public'));
  }

  /** What a statement of the role's returns, in a transaction that is rolled back; the SQLSTATE where it fails. */
  async function as(user: string | null, sql: string, buckets: readonly string[] = []): Promise<unknown> {
    return withClient(role.url, async (client) => {
      await client.query('BEGIN');
      if (user !== null) {
        await client.query(
          `SELECT set_config('app.user_id', $1, true), set_config('app.buckets', $2::text[]::text, true)`,
          [user, buckets],
        );
      }
      return client.query(sql).then(
        (result) => (result.command === 'SELECT' ? result.rows.map(({ id }) => id) : result.rowCount),
        ({ code }: { code: string }) => code,
      );
    });
  }

  it('are as in the catalogs after they have run twice, and after the options have changed [W-OWN-4]', async () => {
    const policies = (): Promise<unknown[]> =>
      db.query(
        'SELECT schemaname, tablename, policyname, roles, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2, 3',
      );
    const before = await policies();
    expect(before).toHaveLength(2 + 4 + 4 + 4 + 1);
    await apply(tables);
    expect(await policies()).toEqual(before);
    await apply(
      [
        lists,
        { ...items, pushPolicy: 'disabled' },
        { ...parts, pushPolicy: 'disabled' },
        { ...files, pushPolicy: 'disabled' },
        teams,
      ],
      { force: true },
    );
    expect(await policies()).toHaveLength(5);
    await apply(tables);
    expect(await policies()).toEqual(before);
    expect(await db.query('SELECT FROM pg_class WHERE relforcerowsecurity')).toEqual([]);
  });

  it('show a user what is owned, at any depth, in whatever case the id is written, and what has no owner', async () => {
    expect(await as(ALICE, idsOf(lists))).toEqual(sorted(list, ofNobody));
    expect(await as(ALICE, idsOf(items))).toEqual(sorted(item, ofNobody));
    expect(await as(ALICE, idsOf(parts))).toEqual([part]);
    expect(await as(BOB, idsOf(parts))).toEqual([ofBob]);
  });

  it('show nothing of a user to a connection without one, nor after one', async () => {
    expect(await as(null, idsOf(parts))).toEqual([]);
    // An owner of '' is no owner, and a user of '' is none.
    expect(await as('', idsOf(lists))).toEqual([ofNobody]);
    expect(await as(null, idsOf(lists))).toEqual([ofNobody]);
  });

  it('show what is in a bucket of the user', async () => {
    await db.query(
      `INSERT INTO sync_bucket_edges (table_name, record_id, bucket_id) VALUES ('parts', $1, 'a,"b'), ('teams', $2, 'team:red')`,
      [ofBob, list],
    );
    expect(await as(ALICE, idsOf(parts), ['x', 'a,"b'])).toEqual(sorted(part, ofBob));
    expect(await as(ALICE, idsOf(teams), ['team:red'])).toEqual([list]);
    expect(await as(ALICE, idsOf(teams))).toEqual([]);
    // To read is not to write.
    expect(await as(ALICE, `UPDATE parts SET updated_at = now() WHERE id = '${ofBob}'`, ['a,"b'])).toBe(0);
    await apply(tables, { readByBucket: false });
    expect(await as(ALICE, idsOf(parts), ['a,"b'])).toEqual([part]);
    await apply(tables);
    await db.query('DELETE FROM sync_bucket_edges');
  });

  it('let a row be written by its owner alone, and stay with that one [W-OWN-4]', async () => {
    expect(await as(ALICE, `UPDATE parts SET updated_at = now()`)).toBe(1);
    expect(await as(ALICE, `UPDATE parts SET order_id = '${ofBob}'`)).toBe('42501');
    expect(await as(ALICE, `INSERT INTO parts (order_id) VALUES ('${item}')`)).toBe(1);
    expect(await as(ALICE, `INSERT INTO parts (order_id) VALUES ('${ofBob}')`)).toBe('42501');
    expect(await as(ALICE, `DELETE FROM parts`)).toBe(1);
    // A row of nobody's is read, not written.
    expect(await as(ALICE, `INSERT INTO "order" ("List") VALUES ('${ofNobody}')`)).toBe('42501');
    expect(await as(ALICE, `UPDATE "order" SET updated_at = now() WHERE id = '${ofNobody}'`)).toBe(0);
  });

  it("let a child with an owner of its own stand under the user's parent or none [W-REG-3]", async () => {
    const insert = (owner: string, parent: string | null | undefined): Promise<unknown> =>
      as(
        ALICE,
        `INSERT INTO files (user_id, order_id) VALUES ('${owner}', ${parent ? `'${parent}'` : 'NULL'})`,
      );
    expect(await insert(ALICE, item)).toBe(1);
    expect(await insert(ALICE, null)).toBe(1);
    expect(await insert(ALICE, ofBob)).toBe('42501');
    expect(await insert(BOB, item)).toBe('42501');
  });

  it('let a parent that clients push no changes of be locked by its owner, and not be changed', async () => {
    expect(await as(ALICE, `SELECT id FROM ${lists.sql} FOR SHARE`)).toEqual([list]);
    expect(await as(ALICE, `UPDATE ${lists.sql} SET id = id`)).toBe('42501');
    expect(await as(ALICE, `DELETE FROM ${lists.sql}`)).toBe('42501');
  });

  it('reveal that a hidden parent exists, to the role alone, and nothing else', async () => {
    expect(await as(ALICE, exists(lists.name, ofBob))).toEqual([true]);
    expect(await as(ALICE, exists('order', ofBob))).toEqual([true]);
    expect(await as(ALICE, exists('order', randomUUID()))).toEqual([false]);
    expect(await as(ALICE, exists('parts', ofBob))).toEqual([false]);
    const other = await createRole(db, 'other');
    expect(
      await db.query(`SELECT has_function_privilege($1, 'sync_row_exists(text, text)', 'EXECUTE') AS may`, [
        other.name,
      ]),
    ).toEqual([{ may: false }]);
    await other.drop();
  });
});
