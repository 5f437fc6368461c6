import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PushChange } from '../../lib/engine/push/push-change.js';
import { createRole } from '../support/roles.js';
import {
  ACCESSES,
  change,
  fromNow,
  only,
  type PushFixture,
  pushFixture,
  serverVersion,
} from '../support/push-fixture.js';
import { ALICE, BOB, DDL, TABLES } from '../support/push-tables.js';

const file = (taskId: string | null): PushChange =>
  change('create', 'files', randomUUID(), { task_id: taskId, name: 'x' });

describe.each(ACCESSES)('pushes as %s', (access) => {
  let push: PushFixture;
  let id: string;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL, access);
  });
  afterAll(() => push.close());
  beforeEach(() => {
    id = randomUUID();
  });

  const insertTask = async (owner: string | null, deletedAt: string | null = null): Promise<void> => {
    await push.db.query(
      `INSERT INTO tasks (id, user_id, title, deleted_at, updated_at) VALUES ($1, $2, $3, $4, now() - interval '1 hour')`,
      [id, owner, `of ${owner}: ${id}`, deletedAt],
    );
  };
  const insertComment = async (): Promise<string> => {
    const comment = randomUUID();
    await push.db.query(`INSERT INTO comments (id, task_id, body) VALUES ($1, $2, 'old')`, [comment, id]);
    return comment;
  };
  const task = async (): Promise<Record<string, unknown>> =>
    only(await push.db.query('SELECT * FROM tasks WHERE id = $1', [id]));

  /** Nothing in it tells that there is such a row. */
  const NOTHING_TOLD = { accepted: false, status: 'rejected_terminal', server_version: undefined };

  describe("another user's row that the user can't see", () => {
    it.each([
      ['update', 'record_not_found'],
      ['delete', 'record_not_found'],
      ['create', 'ownership_violation'],
    ])('%s reveals nothing and changes nothing [W-PUSH-4] [W-PUSH-5]', async (operation, reason_code) => {
      await insertTask(BOB);
      const before = await task();
      const result = await push.pushOne(ALICE, change(operation, 'tasks', id, { title: 'mine' }));
      expect({ ...result, server_version: result.server_version }).toMatchObject({
        ...NOTHING_TOLD,
        reason_code,
      });
      expect(JSON.stringify(result)).not.toContain('of bbbb');
      expect(await task()).toEqual(before);
    });

    it('is not restored by a create [W-PUSH-6]', async () => {
      await insertTask(BOB, fromNow(-1000));
      const result = await push.pushOne(ALICE, change('create', 'tasks', id, { title: 'mine' }));
      expect({ ...result, server_version: result.server_version }).toMatchObject(NOTHING_TOLD);
      expect(await task()).toMatchObject({ user_id: BOB, title: `of ${BOB}: ${id}` });
      expect((await task())['deleted_at']).not.toBeNull();
    });

    it('costs the other records of the push nothing', async () => {
      await insertTask(BOB);
      const mine = randomUUID();
      const results = await push.push(ALICE, [
        change('create', 'tasks', id, { title: 'x' }),
        change('create', 'tasks', mine, { title: `x ${mine}` }),
        change('delete', 'tasks', id),
      ]);
      expect(results.map(({ status }) => status)).toEqual([
        'rejected_terminal',
        'applied',
        'rejected_terminal',
      ]);
    });
  });

  describe("a row that the user sees, but doesn't own", () => {
    it.each(['update', 'delete', 'create'])(
      '%s is terminal, and gives the device its row back [W-PUSH-3]',
      async (operation) => {
        await insertTask(BOB);
        await push.addEdge('tasks', id, 'task:shared');
        const options = { buckets: [`user:${ALICE}`, 'task:shared'] };
        const result = await push.pushOne(ALICE, change(operation, 'tasks', id, { title: 'mine' }), options);
        expect(result).toMatchObject({ status: 'rejected_terminal', reason_code: 'ownership_violation' });
        expect(serverVersion(result)).toMatchObject({ id, data: { title: `of ${BOB}: ${id}` } });
        expect(await task()).toMatchObject({ title: `of ${BOB}: ${id}`, deleted_at: null });
      },
    );

    it("a global row without an owner is nobody's to write [W-PUSH-3]", async () => {
      await insertTask(null);
      await push.addEdge('tasks', id, 'global');
      expect(await push.pushOne(ALICE, change('update', 'tasks', id, { title: 'mine' }))).toMatchObject({
        reason_code: 'ownership_violation',
      });
    });

    it("an edge in a bucket that the user doesn't read shows nothing", async () => {
      await insertTask(BOB);
      await push.addEdge('tasks', id, `user:${BOB}`);
      expect(await push.pushOne(ALICE, change('update', 'tasks', id, { title: 'mine' }))).toMatchObject({
        reason_code: 'record_not_found',
      });
    });

    it('is seen through a dead edge, too: the answer has its deletion', async () => {
      await insertTask(BOB, fromNow(-1000));
      await push.addEdge('tasks', id, 'global');
      await push.db.query('UPDATE sync_bucket_edges SET live = false WHERE record_id = $1', [id]);
      expect(serverVersion(await push.pushOne(ALICE, change('delete', 'tasks', id)))).toHaveProperty(
        'deleted_at',
      );
    });
  });

  it('an own row without edges is visible to its device [interleaving 10]', async () => {
    await insertTask(ALICE);
    const result = await push.pushOne(
      ALICE,
      change('update', 'tasks', id, { title: 'x' }, { at: '2001-01-01' }),
    );
    expect(result).toMatchObject({ status: 'conflict' });
    expect(serverVersion(result)).toMatchObject({ id });
  });

  describe('a child', () => {
    it('belongs to whom its parent belongs to, at any depth [W-PUSH-4]', async () => {
      await insertTask(ALICE);
      const comment = await insertComment();
      const [reaction, ofBob] = [randomUUID(), randomUUID()];
      const changes = (created: string): readonly PushChange[] => [
        change('update', 'comments', comment, { body: 'new' }),
        change('create', 'reactions', created, { comment_id: comment, emoji: '+' }),
      ];
      const byBob = await push.push(BOB, changes(ofBob));
      expect(byBob.map(({ reason_code }) => reason_code)).toEqual(['record_not_found', 'parent_missing']);
      expect(await push.db.query('SELECT FROM reactions WHERE id = $1', [ofBob])).toEqual([]);
      const byAlice = await push.push(ALICE, changes(reaction));
      expect(byAlice.map(({ status }) => status)).toEqual(['applied', 'applied']);
      expect((await push.push(BOB, [change('delete', 'reactions', reaction)]))[0]).toMatchObject({
        reason_code: 'record_not_found',
      });
    });

    it("[scenario 125] is not created under another user's parent", async () => {
      await insertTask(BOB);
      const comment = change('create', 'comments', randomUUID(), { task_id: id, body: 'x' });
      expect(await push.pushOne(ALICE, comment)).toMatchObject({ reason_code: 'parent_missing' });
      await push.addEdge('tasks', id, 'global');
      const shared = await push.pushOne(ALICE, comment);
      expect(shared).toMatchObject({ status: 'rejected_terminal', reason_code: 'ownership_violation' });
      expect(shared).not.toHaveProperty('server_version');
      expect(await push.db.query('SELECT FROM comments WHERE task_id = $1', [id])).toEqual([]);
    });

    it('without a parent that can exist is terminal', async () => {
      const results = await push.push(ALICE, [
        change('create', 'comments', randomUUID(), { body: 'x' }),
        change('create', 'comments', randomUUID(), { task_id: 'no uuid', body: 'x' }),
      ]);
      expect(results.map(({ status, reason_code }) => `${status} ${reason_code}`)).toEqual([
        'rejected_terminal parent_missing',
        'rejected_terminal parent_missing',
      ]);
    });

    it('may be created under a deleted parent', async () => {
      await insertTask(ALICE, fromNow(-1000));
      expect(
        await push.pushOne(ALICE, change('create', 'comments', randomUUID(), { task_id: id, body: 'x' })),
      ).toMatchObject({
        status: 'applied',
      });
    });
  });

  describe('a child with an owner column of its own', () => {
    it("is created under an own parent or none, not under another user's [W-REG-3]", async () => {
      await insertTask(BOB);
      expect(await push.pushOne(ALICE, file(id))).toMatchObject({ reason_code: 'parent_missing' });
      expect(await push.pushOne(ALICE, file(null))).toMatchObject({ status: 'applied' });
      expect(await push.pushOne(BOB, file(id))).toMatchObject({ status: 'applied' });
    });

    it("is its owner's, under any user's parent [W-REG-3]", async () => {
      await insertTask(BOB);
      const own = randomUUID();
      await push.db.query('INSERT INTO files (id, user_id, task_id) VALUES ($1, $2, $3)', [own, ALICE, id]);
      expect(await push.pushOne(BOB, change('update', 'files', own, { name: 'y' }))).toMatchObject({
        reason_code: 'record_not_found',
      });
      expect(await push.pushOne(ALICE, change('update', 'files', own, { name: 'y' }))).toMatchObject({
        status: 'applied',
      });
    });
  });

  describe('identity', () => {
    it("a uuid in capitals in a text column is its user's [interleaving 26]", async () => {
      await push.db.query('INSERT INTO notes VALUES ($1, $2)', [id, ALICE.toUpperCase()]);
      expect(await push.pushOne(ALICE, change('update', 'notes', id, { text: 'x' }))).toMatchObject({
        status: 'applied',
      });
      expect(await push.pushOne(BOB, change('update', 'notes', id, { text: 'y' }))).toMatchObject({
        reason_code: 'record_not_found',
      });
    });

    it('other ids are distinguished by case [interleaving 26] [W-OWN-6]', async () => {
      await push.db.query('INSERT INTO notes VALUES ($1, $2)', [id, 'Bob']);
      expect(await push.pushOne('bob', change('update', 'notes', id, { text: 'x' }))).toMatchObject({
        reason_code: 'record_not_found',
      });
      expect(await push.pushOne('Bob', change('update', 'notes', id, { text: 'x' }))).toMatchObject({
        status: 'applied',
      });
    });

    it('a user id that is no uuid owns nothing in a table of uuids, and breaks nothing [interleaving 26]', async () => {
      await insertTask(ALICE);
      const results = await push.push('bob', [
        change('update', 'tasks', id, { title: 'x' }),
        change('create', 'tasks', randomUUID(), { title: 'x' }),
        change('create', 'comments', randomUUID(), { task_id: id, body: 'x' }),
        change('create', 'notes', id, { text: 'x' }),
      ]);
      expect(results.map(({ status, reason_code }) => reason_code ?? status)).toEqual([
        'record_not_found',
        'ownership_violation',
        'parent_missing',
        'applied',
      ]);
      expect(await push.db.query('SELECT FROM comments WHERE task_id = $1', [id])).toEqual([]);
    });

    it('a record id in capitals is the same record [interleaving 26]', async () => {
      await insertTask(ALICE);
      const result = await push.pushOne(
        ALICE,
        change('update', 'tasks', id.toUpperCase(), { title: `n ${id}` }),
      );
      expect(result).toMatchObject({ status: 'applied', id: id.toUpperCase() });
    });
  });
});

it("[scenario 114] with policies of the host's own, and no superuser, the verdicts are the same", async () => {
  const push = await pushFixture(TABLES, DDL);
  const id = randomUUID();
  await push.db.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, $2, 'of bob')`, [id, BOB]);
  const mine = randomUUID();
  await push.db.query(`INSERT INTO tasks (id, user_id, title) VALUES ($1, $2, $3)`, [
    mine,
    ALICE,
    `m ${mine}`,
  ]);
  const locked = randomUUID();
  await push.db.query(`INSERT INTO tasks (id, user_id, title, notes) VALUES ($1, $2, 'locked', 'locked')`, [
    locked,
    ALICE,
  ]);
  const role = await createRole(push.db);
  for (const sql of [
    `GRANT ALL ON ALL TABLES IN SCHEMA public TO ${role.name}`,
    'ALTER TABLE tasks ENABLE ROW LEVEL SECURITY',
    `CREATE POLICY everything ON tasks TO ${role.name} USING (true) WITH CHECK (title <> 'refused')`,
    `CREATE POLICY narrow ON tasks AS RESTRICTIVE FOR UPDATE TO ${role.name} USING (notes IS DISTINCT FROM 'locked')`,
  ]) {
    await push.db.query(sql);
  }
  const runner = push.dataSource.createQueryRunner();
  try {
    await runner.query('BEGIN');
    await runner.query(`SET LOCAL ROLE ${role.name}`);
    const other = randomUUID();
    const results = await push.apply(runner.manager, ALICE, [
      change('update', 'tasks', id, { title: 'x' }),
      change('update', 'tasks', mine, { title: 'refused' }),
      change('update', 'tasks', locked, { title: 'x' }),
      change('create', 'tasks', other, { title: `o ${other}` }),
    ]);
    expect(results.map(({ status, reason_code }) => reason_code ?? status)).toEqual([
      'record_not_found',
      'ownership_violation',
      'ownership_violation',
      'applied',
    ]);
    expect(serverVersion(results[1] ?? only([])).data).toMatchObject({ title: `m ${mine}` });
  } finally {
    await runner.query('ROLLBACK');
    await runner.release();
    await push.close();
    await role.drop();
  }
});
