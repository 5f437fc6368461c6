import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PushChange, PushResult } from '../../lib/engine/push/push-change.js';
import {
  OwnerWritePolicy,
  PerTableWritePolicy,
  WritePolicy,
  type WriteAnswer,
  type WriteQuestion,
  type WriteRequest,
} from '../../lib/index.js';
import {
  ACCESSES,
  change,
  only,
  type PushFixture,
  pushFixture,
  serverVersion,
} from '../support/push-fixture.js';
import { ALICE, BOB, DDL, TABLES } from '../support/push-tables.js';

type Rule = (
  request: WriteRequest,
  question: WriteQuestion,
  manager: EntityManager,
) => WriteAnswer | Promise<WriteAnswer>;

/** Answers each change by a rule, and records the questions. */
class TestPolicy extends WritePolicy {
  readonly asked: (WriteRequest & { readonly table: string })[] = [];

  constructor(private readonly rule: Rule) {
    super();
  }

  override async decide(question: WriteQuestion, manager: EntityManager): Promise<readonly WriteAnswer[]> {
    this.asked.push(...question.changes.map((request) => ({ ...request, table: question.table })));
    const answers: WriteAnswer[] = [];
    for (const request of question.changes) answers.push(await this.rule(request, question, manager));
    return answers;
  }
}

const owners = new OwnerWritePolicy();
const allowAll = (): TestPolicy => new TestPolicy(() => true);
const forTasks = (policy: WritePolicy): WritePolicy => new PerTableWritePolicy({ tasks: policy }, owners);

const closed: Rule = ({ current, byDefault }) =>
  current?.['notes'] === 'closed' ? { reason: 'list_closed', message: 'the list is closed' } : byDefault;

const isOpen: Rule = ({ current }) => current?.['notes'] !== 'closed';

const isMember: Rule = async (_, { userId }, manager) => {
  const rows: unknown[] = await manager.query('SELECT FROM members WHERE user_id = $1 FOR SHARE', [userId]);
  return rows.length > 0;
};

/** Bob reads the team's bucket. */
const TEAM = { buckets: [`user:${BOB}`, 'global', 'team:1'] };

const REFUSED = { status: 'rejected_terminal', reason_code: 'ownership_violation' };

describe('a write policy', () => {
  let push: PushFixture;
  let task: string;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL);
  });
  afterAll(() => push.close());
  beforeEach(async () => {
    task = await insertTask(ALICE);
  });
  afterEach(async () => {
    await push.db.query('DROP TABLE IF EXISTS members');
  });

  async function insertTask(owner: string, deletedAt: string | null = null): Promise<string> {
    const id = randomUUID();
    await push.db.query(
      `INSERT INTO tasks (id, user_id, title, deleted_at, updated_at) VALUES ($1, $2, $3, $4, now() - interval '1 hour')`,
      [id, owner, `task ${id}`, deletedAt],
    );
    return id;
  }

  const share = (id: string, table = 'tasks'): Promise<void> => push.addEdge(table, id, 'team:1');

  const row = async (id: string, table = 'tasks'): Promise<Record<string, unknown> | undefined> =>
    (await push.db.query(`SELECT * FROM ${table} WHERE id = $1`, [id]))[0];

  async function insertComment(): Promise<string> {
    const id = randomUUID();
    await push.db.query(`INSERT INTO comments (id, task_id, body) VALUES ($1, $2, 'old')`, [id, task]);
    return id;
  }

  const update = (): PushChange => change('update', 'tasks', task, { notes: 'by bob' });

  const byBob = (changes: readonly PushChange[], policy: WritePolicy): Promise<readonly PushResult[]> =>
    push.push(BOB, changes, { ...TEAM, policy });

  describe('that widens', () => {
    it("lets an editor update and delete a row, which stays its owner's", async () => {
      await share(task);
      const results = await byBob(
        [change('update', 'tasks', task, { notes: 'by bob' }), change('delete', 'tasks', task)],
        forTasks(allowAll()),
      );
      expect(results).toMatchObject([
        { status: 'applied', server_updated_at: expect.any(String) },
        { status: 'applied', server_deleted_at: expect.any(String) },
      ]);
      expect(await row(task)).toMatchObject({ user_id: ALICE, notes: 'by bob' });
      expect((await row(task))?.['deleted_at']).not.toBeNull();
    });

    it('needs no redelivery of a row that an editor has written', async () => {
      await share(task);
      const unrepaired: string[] = [];
      const update = change('update', 'tasks', task, { notes: 'by bob' });
      await push.push(BOB, [update], { ...TEAM, policy: forTasks(allowAll()), unrepaired });
      expect(unrepaired).toEqual([]);
    });

    it('is asked about a create of a row that is there as what it does to the row', async () => {
      const policy = allowAll();
      const gone = await insertTask(ALICE, new Date().toISOString());
      await share(task);
      await share(gone);
      const results = await byBob(
        [
          change('create', 'tasks', task, { title: `new ${task}`, notes: 'x' }),
          change('create', 'tasks', gone, { title: `back ${gone}` }),
        ],
        forTasks(policy),
      );
      expect(results.map(({ status }) => status)).toEqual(['applied', 'applied']);
      expect(policy.asked).toMatchObject([
        {
          operation: 'update',
          owner: ALICE,
          byDefault: false,
          current: { title: `task ${task}`, notes: null, rank: 7 },
          wanted: { title: `new ${task}`, notes: 'x', rank: 7 },
        },
        { operation: 'undelete', current: { id: gone }, wanted: { title: `back ${gone}` } },
      ]);
      expect(await row(gone)).toMatchObject({ user_id: ALICE, deleted_at: null });
    });

    it('never hears of a row that the user does not see, and its answer tells nothing [W-WRITE-1]', async () => {
      const policy = new TestPolicy((request) =>
        request.operation === 'create' ? true : { reason: 'closed', message: 'the list is closed' },
      );
      const results = await byBob(
        [
          change('update', 'tasks', task, { notes: 'x' }),
          change('delete', 'tasks', task),
          change('create', 'tasks', task, { title: 'mine' }),
        ],
        forTasks(policy),
      );
      expect(results).toMatchObject([
        { reason_code: 'record_not_found' },
        { reason_code: 'record_not_found' },
        { reason_code: 'ownership_violation', message: 'record id is not available' },
      ]);
      expect(results.every(({ server_version }) => server_version === undefined)).toBe(true);
      expect(policy.asked.map(({ operation }) => operation)).toEqual(['create']);
      expect(await row(task)).toMatchObject({ user_id: ALICE, notes: null, deleted_at: null });
    });

    it("a row that has left the user's buckets is not there, whatever the policy would say [W-WRITE-1]", async () => {
      await push.addEdge('tasks', task, 'team:2');
      const policy = allowAll();
      expect(
        only(await byBob([change('update', 'tasks', task, { notes: 'x' })], forTasks(policy))),
      ).toMatchObject({ reason_code: 'record_not_found' });
      expect(policy.asked).toEqual([]);
    });
  });

  it('is not asked while nothing tells what the user sees, and no edit is refused for that [W-WRITE-9]', async () => {
    await share(task);
    const policy = allowAll();
    const options = { buckets: [], subscriptions: TEAM.buckets, policy: forTasks(policy) };
    const own = randomUUID();
    const results = await push.push(
      BOB,
      [
        change('update', 'tasks', task, { notes: 'by bob' }),
        change('create', 'comments', randomUUID(), { task_id: task, body: 'by bob' }),
        change('create', 'tasks', own, { title: own }),
      ],
      options,
    );
    const AGAIN = { status: 'rejected_retryable' };
    expect(results).toMatchObject([AGAIN, AGAIN, { status: 'applied' }]);
    expect(policy.asked.map(({ recordId }) => recordId)).toEqual([own]);
  });

  describe('that narrows', () => {
    it("refuses the owner's own change with its reason, and gives the device its row back", async () => {
      await push.db.query(`UPDATE tasks SET notes = 'closed' WHERE id = $1`, [task]);
      const policy = new TestPolicy(closed);
      const other = await insertTask(ALICE);
      const results = await push.push(
        ALICE,
        [
          change('update', 'tasks', task, { notes: 'open' }),
          change('update', 'tasks', other, { notes: 'x' }),
        ],
        { policy: forTasks(policy) },
      );
      expect(results).toMatchObject([
        { status: 'rejected_terminal', reason_code: 'list_closed', message: 'the list is closed' },
        { status: 'applied' },
      ]);
      const [refused] = results;
      expect(refused && serverVersion(refused)).toMatchObject({ id: task, data: { notes: 'closed' } });
      expect(policy.asked.map(({ byDefault }) => byDefault)).toEqual([true, true]);
    });

    it("false is refused as not the user's to write", async () => {
      const result = await push.pushOne(ALICE, change('delete', 'tasks', task), {
        policy: forTasks(new TestPolicy(() => false)),
      });
      expect(result).toMatchObject(REFUSED);
      expect(serverVersion(result)).toMatchObject({ id: task });
    });

    it('covers the children of a row, at any depth, and those that have an owner of their own', async () => {
      await push.db.query(`UPDATE tasks SET notes = 'closed' WHERE id = $1`, [task]);
      const comment = await insertComment();
      const policy = new TestPolicy(closed);
      const results = await push.push(
        ALICE,
        [
          change('create', 'comments', randomUUID(), { task_id: task, body: 'x' }),
          change('update', 'comments', comment, { body: 'x' }),
          change('create', 'reactions', randomUUID(), { comment_id: comment, emoji: '+' }),
          change('create', 'files', randomUUID(), { task_id: task, name: 'x' }),
          change('create', 'files', randomUUID(), { name: 'of no task' }),
        ],
        { policy: forTasks(policy) },
      );
      const verdicts = results.map(({ reason_code, status }) => reason_code ?? status);
      expect(verdicts).toEqual([...Array.from({ length: 4 }, () => 'list_closed'), 'applied']);
      expect(await row(comment, 'comments')).toMatchObject({ body: 'old' });
      expect(policy.asked.map(({ child }) => [child?.table, child?.operation])).toEqual([
        ['comments', 'create'],
        ['comments', 'update'],
        ['reactions', 'create'],
        ['files', 'create'],
      ]);
    });
  });

  describe('and creates', () => {
    it("are the user's, whatever owner the device names [W-WRITE-2]", async () => {
      const id = randomUUID();
      const policy = allowAll();
      const forged = change('create', 'tasks', id, { title: id, user_id: ALICE });
      expect(await byBob([forged], forTasks(policy))).toMatchObject([{ status: 'applied' }]);
      expect(await row(id)).toMatchObject({ user_id: BOB });
      expect(policy.asked).toMatchObject([
        { operation: 'create', current: null, owner: BOB, byDefault: true, wanted: { id, user_id: BOB } },
      ]);
    });

    it("are another user's where the policy says so, and leave the device [W-WRITE-2]", async () => {
      const id = randomUUID();
      const unrepaired: string[] = [];
      const policy = new TestPolicy(() => ({ owner: ALICE.toUpperCase() }));
      const create = change('create', 'tasks', id, { title: id });
      const result = await push.pushOne(BOB, create, { ...TEAM, policy: forTasks(policy), unrepaired });
      expect(result).toEqual(expect.objectContaining({ status: 'applied' }));
      expect(result.server_updated_at).toBeUndefined();
      expect(await row(id)).toMatchObject({ user_id: ALICE });
      expect(unrepaired).toEqual([id]);
    });

    it('a policy may hand a row over, even where nothing else changes', async () => {
      const policy = new TestPolicy(() => ({ owner: BOB }));
      const update = change('update', 'tasks', task, { title: `task ${task}`, rank: 9 });
      expect(await push.pushOne(ALICE, update, { policy: forTasks(policy) })).toMatchObject({
        status: 'applied',
      });
      expect(await row(task)).toMatchObject({ user_id: BOB, rank: 7 });
    });

    it.each([
      ["an owner that the column can't hold", { owner: 'bob' }],
      ['no owner', { owner: '' }],
    ])('%s is a fault of the policy: nothing is written', async (_, answer) => {
      const id = randomUUID();
      const policy = forTasks(new TestPolicy(() => answer));
      const result = await push.pushOne(BOB, change('create', 'tasks', id, { title: id }), { policy });
      expect(result).toMatchObject({ status: 'rejected_retryable', reason_code: 'internal_error' });
      expect(await row(id)).toBeUndefined();
    });
  });

  describe('and children', () => {
    it('inherit: they are written by the users who may update what they belong to', async () => {
      await share(task);
      const comment = await insertComment();
      await share(comment, 'comments');
      const policy = allowAll();
      const [created, reaction] = [randomUUID(), randomUUID()];
      const results = await byBob(
        [
          change('create', 'comments', created, { task_id: task, body: 'by bob' }),
          change('update', 'comments', comment, { body: 'by bob' }),
          change('create', 'reactions', reaction, { comment_id: created, emoji: '+' }),
        ],
        forTasks(policy),
      );
      expect(results).toMatchObject(Array.from({ length: 3 }, () => ({ status: 'applied' })));
      expect(await row(reaction, 'reactions')).toMatchObject({ comment_id: created });
      expect(policy.asked.every(({ table, owner }) => table === 'tasks' && owner === ALICE)).toBe(true);
    });

    it('are refused below a row that the user may not update', async () => {
      await share(task);
      const comment = await insertComment();
      await share(comment, 'comments');
      const results = await byBob(
        [
          change('create', 'comments', randomUUID(), { task_id: task, body: 'x' }),
          change('delete', 'comments', comment),
        ],
        forTasks(new TestPolicy(({ byDefault }) => byDefault)),
      );
      expect(results).toMatchObject([REFUSED, REFUSED]);
      expect(await row(comment, 'comments')).toMatchObject({ deleted_at: null });
    });

    it('of a row that the user does not see miss their parent: the policy is not asked [W-WRITE-1]', async () => {
      const policy = allowAll();
      const create = change('create', 'comments', randomUUID(), { task_id: task, body: 'x' });
      expect(only(await byBob([create], forTasks(policy)))).toMatchObject({
        status: 'rejected_terminal',
        reason_code: 'parent_missing',
      });
      expect(policy.asked).toEqual([]);
    });

    it('that the user sees without their parent are not theirs to write [W-WRITE-1]', async () => {
      const comment = await insertComment();
      await share(comment, 'comments');
      const policy = allowAll();
      const result = only(
        await byBob([change('update', 'comments', comment, { body: 'x' })], forTasks(policy)),
      );
      expect(result).toMatchObject(REFUSED);
      expect(policy.asked).toEqual([]);
      expect(await row(comment, 'comments')).toMatchObject({ body: 'old' });
    });

    it('have a policy of their own, if they are given one', async () => {
      await share(task);
      const comments = new TestPolicy(({ operation, byDefault }) => operation === 'create' || byDefault);
      const policy = new PerTableWritePolicy({ comments }, owners);
      const [id, mine] = [randomUUID(), randomUUID()];
      const results = await byBob(
        [
          change('create', 'comments', id, { task_id: task, body: 'by bob' }),
          change('update', 'tasks', task, { notes: 'x' }),
          change('create', 'files', mine, { task_id: task, name: 'x' }),
        ],
        policy,
      );
      expect(results).toMatchObject([{ status: 'applied' }, REFUSED, REFUSED]);
      expect(await row(id, 'comments')).toMatchObject({ body: 'by bob' });
      await share(id, 'comments');
      expect(only(await byBob([change('update', 'comments', id, { body: 'again' })], policy))).toMatchObject(
        REFUSED,
      );
      expect(comments.asked).toMatchObject([
        { operation: 'create', owner: ALICE, byDefault: false, wanted: { task_id: task } },
        { operation: 'update', owner: ALICE, byDefault: false },
      ]);
    });

    it('that come with their parent are asked about once it is written [W-WRITE-3]', async () => {
      const [list, refused, allowed] = [randomUUID(), randomUUID(), randomUUID()];
      const comments = new TestPolicy(({ recordId }) => recordId === allowed);
      const results = await push.push(
        ALICE,
        [
          change('create', 'tasks', list, { title: list }),
          change('create', 'comments', refused, { task_id: list, body: 'x' }),
          change('create', 'comments', allowed, { task_id: list, body: 'x' }),
        ],
        { policy: new PerTableWritePolicy({ comments }, owners) },
      );
      expect(results).toMatchObject([{ status: 'applied' }, REFUSED, { status: 'applied' }]);
      expect(await row(refused, 'comments')).toBeUndefined();
      expect(comments.asked).toMatchObject([
        { recordId: refused, owner: ALICE, byDefault: true },
        { recordId: allowed },
      ]);
    });

    it('that came before their parent are asked about when it comes [W-WRITE-3]', async () => {
      const [list, refused, allowed] = [randomUUID(), randomUUID(), randomUUID()];
      const policy = new TestPolicy(({ child }) => child?.recordId !== refused);
      const options = { policy: forTasks(policy) };
      const comments = [refused, allowed].map((id) =>
        change('create', 'comments', id, { task_id: list, body: 'x' }),
      );
      expect((await push.push(ALICE, comments, options)).map(({ status }) => status)).toEqual([
        'applied',
        'applied',
      ]);
      expect(policy.asked).toEqual([]);
      await push.push(ALICE, [change('create', 'tasks', list, { title: list })], options);
      const asked = new Set(policy.asked.map(({ child, recordId }) => child?.recordId ?? recordId));
      expect(asked).toEqual(new Set([list, refused, allowed]));
      expect(await row(allowed, 'comments')).toMatchObject({ task_id: list });
      expect(await row(refused, 'comments')).toBeUndefined();
      expect(await push.db.query('SELECT record_id FROM sync_parked_rows')).toEqual([{ record_id: refused }]);
    });
  });

  describe('and other transactions', () => {
    beforeEach(async () => {
      await push.db.query('CREATE TABLE members (user_id text PRIMARY KEY)');
      await push.db.query('INSERT INTO members VALUES ($1)', [BOB]);
      await share(task);
    });

    it('a membership that is revoked while the push waits for the row counts no more [W-WRITE-4]', async () => {
      const result = await push.whileOpen(
        async (manager) => {
          await manager.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE', [task]);
          await manager.query('DELETE FROM members');
        },
        () => push.pushOne(BOB, update(), { ...TEAM, policy: forTasks(new TestPolicy(isMember)) }),
      );
      expect(result).toMatchObject(REFUSED);
      expect(await row(task)).toMatchObject({ notes: null });
    });

    it('a revocation waits for the push that counts on the membership [W-WRITE-4]', async () => {
      await push.whileOpen(
        async (manager) => {
          const options = { ...TEAM, policy: forTasks(new TestPolicy(isMember)) };
          expect(only(await push.apply(manager, BOB, [update()], options)).status).toBe('applied');
        },
        () => push.db.query('DELETE FROM members'),
      );
      expect(await row(task)).toMatchObject({ notes: 'by bob' });
    });

    it('a row that moves out of sight while the push waits for it is not there [W-WRITE-1]', async () => {
      const policy = allowAll();
      const result = await push.whileOpen(
        async (manager) => {
          await manager.query('SELECT FROM tasks WHERE id = $1 FOR UPDATE', [task]);
          await manager.query('DELETE FROM sync_bucket_edges WHERE record_id = $1', [task]);
        },
        () => push.pushOne(BOB, update(), { ...TEAM, policy: forTasks(policy) }),
      );
      expect(result).toMatchObject({ reason_code: 'record_not_found' });
      expect(policy.asked).toEqual([]);
    });

    it('sees the parent of a new row as it is once it is locked [interleaving 11]', async () => {
      const create = change('create', 'comments', randomUUID(), { task_id: task, body: 'x' });
      const result = await push.whileOpen(
        (manager) => manager.query(`UPDATE tasks SET notes = 'closed' WHERE id = $1`, [task]),
        () => push.pushOne(BOB, create, { ...TEAM, policy: forTasks(new TestPolicy(isOpen)) }),
      );
      expect(result).toMatchObject(REFUSED);
    });
  });

  describe('that fails', () => {
    it('costs the change alone that it fails about [W-WRITE-5]', async () => {
      const ids = Array.from({ length: 9 }, () => randomUUID());
      const bad = ids[4];
      const policy = new TestPolicy(async ({ recordId }, _, manager) => {
        if (recordId === bad) await manager.query('SELECT 1 / 0');
        return true;
      });
      const creates = ids.map((id) => change('create', 'tasks', id, { title: id }));
      const results = await byBob(creates, forTasks(policy));
      expect(results.map(({ status }) => status)).toEqual(
        ids.map((id) => (id === bad ? 'rejected_retryable' : 'applied')),
      );
    });

    it.each([
      ['no answer', () => []],
      ['too many answers', () => [true, true]],
      ['what is no answer', () => ['yes']],
      ['null', () => [null]],
    ])('%s allows nothing [W-WRITE-5]', async (_, answers) => {
      class Broken extends WritePolicy {
        override decide(): readonly WriteAnswer[] {
          return answers() as WriteAnswer[];
        }
      }
      const result = await push.pushOne(ALICE, change('update', 'tasks', task, { notes: 'x' }), {
        policy: forTasks(new Broken()),
      });
      expect(result).toMatchObject({ status: 'rejected_retryable', reason_code: 'internal_error' });
      expect(await row(task)).toMatchObject({ notes: null });
    });
  });

  it('is asked once for the changes of a table, and again for each further change of a record', async () => {
    const questions: number[] = [];
    class Counting extends WritePolicy {
      override decide({ changes }: WriteQuestion): readonly WriteAnswer[] {
        questions.push(changes.length);
        return changes.map(() => true);
      }
    }
    const other = await insertTask(ALICE);
    await push.push(
      ALICE,
      [
        change('update', 'tasks', task, { notes: '1' }),
        change('update', 'tasks', other, { notes: '1' }),
        change('update', 'tasks', task, { notes: '2' }),
      ],
      { policy: forTasks(new Counting()) },
    );
    expect(questions).toEqual([2, 1]);
  });

  it('that stands for all tables is asked about children themselves, with the rule by owner beside', async () => {
    const comment = await insertComment();
    const policy = new TestPolicy(({ byDefault }) => byDefault);
    const results = await push.push(
      ALICE,
      [
        change('update', 'comments', comment, { body: 'new' }),
        change('create', 'comments', randomUUID(), { task_id: task, body: 'x' }),
      ],
      { policy },
    );
    expect(results.map(({ status }) => status)).toEqual(['applied', 'applied']);
    expect(policy.asked).toMatchObject([
      { table: 'comments', operation: 'update', child: null, owner: ALICE },
      { table: 'comments', operation: 'create', child: null, owner: ALICE },
    ]);
  });
});

describe.each(ACCESSES)('a write policy beside row-level security, as %s', (access) => {
  let push: PushFixture;

  beforeAll(async () => {
    push = await pushFixture(TABLES, DDL, access);
  });
  afterAll(() => push.close());

  async function sharedTask(): Promise<string> {
    const id = randomUUID();
    await push.db.query('INSERT INTO tasks (id, user_id, title) VALUES ($1, $2, $3)', [id, ALICE, id]);
    await push.addEdge('tasks', id, 'team:1');
    return id;
  }

  it('narrows what the owner may do', async () => {
    const id = await sharedTask();
    const policy = forTasks(new TestPolicy(({ operation }) => operation !== 'delete'));
    const results = await push.push(
      ALICE,
      [
        change('update', 'tasks', id, { notes: 'x' }),
        change('delete', 'tasks', id),
        change('create', 'tasks', randomUUID(), { title: `new ${id}` }),
      ],
      { policy },
    );
    expect(results).toMatchObject([{ status: 'applied' }, REFUSED, { status: 'applied' }]);
  });

  it('widens only where no policy of the database is in the way, and leaks nothing then', async () => {
    const id = await sharedTask();
    const isBound = access !== 'superuser';
    const results = await push.push(
      BOB,
      [
        change('update', 'tasks', id, { notes: 'x' }),
        change('create', 'comments', randomUUID(), { task_id: id, body: 'x' }),
      ],
      { ...TEAM, policy: forTasks(allowAll()) },
    );
    const verdict = isBound ? { status: 'rejected_terminal' } : { status: 'applied' };
    expect(results).toMatchObject([verdict, verdict]);
    const [row] = await push.db.query('SELECT notes FROM tasks WHERE id = $1', [id]);
    expect(row).toEqual({ notes: isBound ? null : 'x' });
  });
});
