import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PushChange } from '../../lib/engine/push/push-change.js';
import { lockParkedRows } from '../../lib/store/clients/parked-rows.js';
import { inTransaction } from '../../lib/database/session.js';
import {
  ACCESSES,
  change,
  fromNow,
  only,
  type PushFixture,
  pushFixture,
  sortedIds,
} from '../support/push-fixture.js';
import { ALICE, BOB, DDL, TABLES } from '../support/push-tables.js';

const setNotes = (id: string, notes: string): PushChange => change('update', 'tasks', id, { notes });

const changeAndComment = (changed: string, parent: string): readonly PushChange[] => [
  setNotes(changed, changed),
  change('create', 'comments', randomUUID(), { task_id: parent, body: 'x' }),
];

describe.each(ACCESSES)('pushes as %s', (access) => {
  let push: PushFixture;
  let task: string;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL, access);
  });
  afterAll(() => push.close());
  beforeEach(async () => {
    task = randomUUID();
    await insertTask(task);
  });

  async function insertTask(id: string): Promise<void> {
    await push.db.query(
      `INSERT INTO tasks (id, user_id, title, updated_at) VALUES ($1, $2, $3, now() - interval '1 hour')`,
      [id, ALICE, `task ${id}`],
    );
  }

  const moveToBob = (host: {
    query(sql: string, parameters: string[]): Promise<unknown>;
  }): Promise<unknown> => host.query('UPDATE tasks SET user_id = $2 WHERE id = $1', [task, BOB]);

  describe('a parent that moves to another user', () => {
    it("while a child is created takes the child's place away [interleaving 11]", async () => {
      const child = change('create', 'comments', randomUUID(), { task_id: task, body: 'x' });
      const result = await push.whileOpen(moveToBob, () => push.pushOne(ALICE, child));
      expect(result).toMatchObject({ status: 'rejected_terminal', reason_code: 'parent_missing' });
      expect(await push.db.query('SELECT FROM comments WHERE task_id = $1', [task])).toEqual([]);
    });

    it('while a grandchild is changed takes that away, too [interleaving 11]', async () => {
      const [comment, reaction] = [randomUUID(), randomUUID()];
      await push.db.query(`INSERT INTO comments (id, task_id, body) VALUES ($1, $2, 'x')`, [comment, task]);
      await push.db.query(`INSERT INTO reactions (id, comment_id, emoji) VALUES ($1, $2, '+')`, [
        reaction,
        comment,
      ]);
      const changed = change('update', 'reactions', reaction, { emoji: '-' });
      const result = await push.whileOpen(moveToBob, () => push.pushOne(ALICE, changed));
      expect(result).toMatchObject({ status: 'rejected_terminal', reason_code: 'record_not_found' });
      expect(await push.db.query('SELECT emoji FROM reactions WHERE id = $1', [reaction])).toEqual([
        { emoji: '+' },
      ]);
    });

    it('waits for the push that has written a child [interleaving 11]', async () => {
      const child = change('create', 'comments', randomUUID(), { task_id: task, body: 'x' });
      await push.whileOpen(
        async (manager) => expect(only(await push.apply(manager, ALICE, [child])).status).toBe('applied'),
        () => moveToBob(push.db),
      );
      expect(await push.db.query('SELECT FROM comments WHERE task_id = $1', [task])).toHaveLength(1);
    });

    it("doesn't wait for a push that has been refused: another user's rows are never locked [interleaving 11]", async () => {
      await inTransaction(push.dataSource, 'write', async (manager) => {
        const child = change('create', 'comments', randomUUID(), { task_id: task, body: 'x' });
        await push.apply(manager, BOB, [child, change('delete', 'tasks', task)]);
        await push.db.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE NOWAIT', [task]);
      });
    });
  });

  describe('two pushes of one row', () => {
    it.each([
      ['the later', 'newer', 'older', { status: 'conflict', reason_code: 'server_won_conflict' }],
      ['the earlier', 'older', 'newer', { status: 'applied' }],
    ])(
      'scenario 137: the later time stays, when %s comes first [W-PUSH-9]',
      async (_, one, other, verdict) => {
        const update = (title: string): PushChange =>
          change(
            'update',
            'tasks',
            task,
            { title: `${title} ${task}` },
            { at: fromNow(title === 'newer' ? 2_000 : -2_000) },
          );
        const result = await push.whileOpen(
          async (manager) =>
            expect(only(await push.apply(manager, ALICE, [update(one)])).status).toBe('applied'),
          () => push.pushOne(ALICE, update(other)),
        );
        expect(result).toMatchObject(verdict);
        const [row] = await push.db.query('SELECT title FROM tasks WHERE id = $1', [task]);
        expect(row).toEqual({ title: `newer ${task}` });
      },
    );

    it('with the same base: the second one is judged by what the first one wrote [W-PUSH-9]', async () => {
      const [{ base } = { base: '' }] = await push.db.query(
        'SELECT updated_at::text AS base FROM tasks WHERE id = $1',
        [task],
      );
      const update = (title: string): PushChange =>
        change('update', 'tasks', task, { title }, { base, at: fromNow(-60_000) });
      const second = await push.whileOpen(
        (manager) => push.apply(manager, ALICE, [update(`first ${task}`)]),
        () => push.pushOne(ALICE, update(`second ${task}`)),
      );
      expect(second).toMatchObject({ status: 'conflict' });
    });
  });

  describe('the same create twice at once', () => {
    it('is applied twice, and written once [W-PUSH-10]', async () => {
      const id = randomUUID();
      const create = change('create', 'tasks', id, { title: `twice ${id}` });
      const second = await push.whileOpen(
        (manager) => push.apply(manager, ALICE, [create]),
        () => push.pushOne(ALICE, create),
      );
      expect(second).toMatchObject({ status: 'applied' });
      expect(await push.db.query('SELECT version FROM tasks WHERE id = $1', [id])).toEqual([{ version: 1 }]);
    });

    it.each([
      ['earlier', -60_000, 'conflict', 'first'],
      ['later', 60_000, 'applied', 'second'],
    ])(
      'with other content of an %s time is an update of what came first [W-PUSH-10]',
      async (_, at, status, notes) => {
        const id = randomUUID();
        const create = (text: string): PushChange =>
          change('create', 'tasks', id, { title: `twice ${id}`, notes: text }, { at: fromNow(at) });
        const second = await push.whileOpen(
          (manager) => push.apply(manager, ALICE, [create('first')]),
          () => push.pushOne(ALICE, create('second')),
        );
        expect(second.status).toBe(status);
        expect(await push.db.query('SELECT notes FROM tasks WHERE id = $1', [id])).toEqual([{ notes }]);
      },
    );

    it('by another user reveals nothing of the row [W-PUSH-10] [W-PUSH-5]', async () => {
      const id = randomUUID();
      const create = change('create', 'tasks', id, { title: `secret ${id}` });
      const second = await push.whileOpen(
        (manager) => push.apply(manager, ALICE, [create]),
        () => push.pushOne(BOB, create),
      );
      expect(second).toMatchObject({ status: 'rejected_terminal', reason_code: 'ownership_violation' });
      expect(second).not.toHaveProperty('server_version');
    });
  });

  describe('locks', () => {
    it("are taken in the order of keys, so that two pushes in other orders don't deadlock [interleaving 17]", async () => {
      const [low = '', high = ''] = sortedIds(2);
      await insertTask(low);
      await insertTask(high);
      const results = await push.whileOpen(
        (manager) => manager.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE', [low]),
        async () => {
          const first = push.push(ALICE, [setNotes(low, 'a'), setNotes(high, 'a')]);
          // The next one in the line for the row that the other push wants last.
          await push.waiting(1);
          return Promise.all([first, push.push(ALICE, [setNotes(high, 'b'), setNotes(low, 'b')])]);
        },
        async () => {
          await push.waiting(2);
          // A push that has deadlocked would run again, and pass.
          await push.db.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE NOWAIT', [high]);
        },
      );
      expect(results.map((each) => each.length)).toEqual([2, 2]);
    });

    it("of creates' parents and of updates are one lock, so that two pushes don't deadlock over it [interleaving 17]", async () => {
      const [low = '', high = ''] = sortedIds(2);
      await insertTask(low);
      await insertTask(high);
      const results = await push.whileOpen(
        (manager) => manager.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE', [low]),
        () =>
          Promise.all([
            push.push(ALICE, changeAndComment(low, high)),
            push.push(ALICE, changeAndComment(high, low)),
          ]),
        2,
      );
      expect(results.flat().map(({ status }) => status)).toEqual([
        'applied',
        'applied',
        'applied',
        'applied',
      ]);
    });

    it("are not held while a push waits for the user's parked rows, so that it can't deadlock with one that has them [interleaving 17]", async () => {
      const orphan = change('create', 'reactions', randomUUID(), { comment_id: randomUUID(), emoji: '+' });
      let second: ReturnType<typeof push.push> | undefined;
      await inTransaction(push.dataSource, 'write', async (manager) => {
        await lockParkedRows(manager, ALICE);
        second = push.push(ALICE, [setNotes(task, 'mine'), orphan]);
        await Promise.race([push.waiting(1), second.then(() => push.waiting(1))]);
        await push.db.query('SELECT FROM tasks WHERE id = $1 FOR NO KEY UPDATE NOWAIT', [task]);
      });
      expect((await second)?.map(({ status }) => status)).toEqual(['applied', 'applied']);
    });

    it('outlive the savepoint of a change that failed [interleaving 17]', async () => {
      await inTransaction(push.dataSource, 'write', async (manager) => {
        const failed = await push.apply(manager, ALICE, [
          change('update', 'tasks', task, { title: 'forbidden' }),
        ]);
        expect(only(failed).reason_code).toBe('update_failed');
        await expect(
          push.db.query('SELECT FROM tasks WHERE id = $1 FOR NO KEY UPDATE NOWAIT', [task]),
        ).rejects.toMatchObject({ code: '55P03' });
      });
    });

    it('let references to the row be made meanwhile [interleaving 17]', async () => {
      await inTransaction(push.dataSource, 'write', async (manager) => {
        await push.apply(manager, ALICE, [change('update', 'tasks', task, { notes: 'x' })]);
        await push.db.query('SELECT FROM tasks WHERE id = $1 FOR KEY SHARE NOWAIT', [task]);
      });
    });
  });
});
