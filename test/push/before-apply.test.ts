import { randomUUID } from 'node:crypto';
import { ForbiddenException, Injectable, Logger } from '@nestjs/common';
import { IsInt, MaxLength, validate } from 'class-validator';
import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Comment } from '../../sample-app/tasks/comment.entity.js';
import { TaskShare } from '../../sample-app/tasks/task-share.entity.js';
import { Task } from '../../sample-app/tasks/task.entity.js';
import {
  BeforeApply,
  WriteRejectedError,
  type BeforeApplyEvent,
  type WriteRejection,
} from '../../lib/index.js';
import { startApp, type RunningApp } from '../support/app.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { Device } from '../support/device.js';
import { insertTask } from '../support/sample-rows.js';
import type { PushChange, Row } from '../support/wire.js';

type Answer = WriteRejection | void;

/** A device's clock counts up to the server's, so that this wins any conflict. */
const LATER = new Date(Date.now() + 3600_000).toISOString();

let seen: BeforeApplyEvent[] = [];
let rule: (event: BeforeApplyEvent<Task>) => Answer | Promise<Answer>;

/** As a host would write it: rules of its own, and class-validator where it is wanted. */
@Injectable()
class Rules {
  @BeforeApply(() => Task)
  task(event: BeforeApplyEvent<Task>): Answer | Promise<Answer> {
    seen.push(event);
    return rule(event);
  }

  @BeforeApply(() => Comment)
  async comment({ entity, manager, data }: BeforeApplyEvent<Comment>): Promise<void> {
    if (entity.body === 'spam') throw new WriteRejectedError('spam', 'comments must not be spam');
    if (entity.body === 'hijack') await giveAway(manager, String(data['task_id']));
  }
}

async function giveAway(manager: EntityManager, task: string): Promise<void> {
  await manager.query(`UPDATE tasks SET user_id = 'bob' WHERE id = $1`, [task]);
}

let database: TestDatabase;
let app: RunningApp;
let alice: Device;

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createDatabase();
  app = await startApp({ database, host: { providers: [Rules] } });
  alice = new Device(app.url, 'alice');
  await alice.start();
});

beforeEach(() => {
  seen = [];
  rule = () => undefined;
});

afterAll(async () => {
  await app.close();
  await database.drop();
});

function create(title: string, data: Row = {}): PushChange & { readonly data: Row } {
  return { id: randomUUID(), table_name: 'tasks', operation: 'create', data: { title, ...data } };
}

async function push(...changes: PushChange[]): Promise<readonly unknown[]> {
  const { accepted, rejected } = await alice.push(changes);
  const results = [...accepted, ...rejected];
  return changes.map(({ id }) => {
    const result = results.find((one) => one.id === id);
    return result?.reason_code ?? result?.status;
  });
}

async function titleOf({ id }: { readonly id: string }): Promise<unknown> {
  const [row] = await database.query('SELECT title FROM tasks WHERE id = $1', [id]);
  return row?.['title'];
}

describe('a write validator', () => {
  it('refuses one record with its reason, and costs no other record anything', async () => {
    rule = ({ data }) =>
      String(data['title']).startsWith('bad')
        ? { reason: 'bad_title', message: 'titles must be good' }
        : undefined;
    const [first, bad, last] = [create('good first'), create('bad'), create('good last')];
    const answer = await alice.push([first, bad, last]);
    expect(answer.accepted.map(({ id }) => id)).toEqual([first.id, last.id]);
    expect(answer.rejected).toEqual([
      {
        id: bad.id,
        table_name: 'tasks',
        operation: 'create',
        status: 'rejected_terminal',
        reason_code: 'bad_title',
        message: 'titles must be good',
      },
    ]);
    expect(await titleOf(bad)).toBeUndefined();
  });

  it('of one entity is asked about rows of no other', async () => {
    const task = create('with a comment');
    const data = { task_id: task.id, body: 'fine' };
    const results = await push(task, { id: randomUUID(), table_name: 'comments', operation: 'create', data });
    expect(results).toEqual(['applied', 'applied']);
    expect(seen.map(({ table }) => table)).toEqual(['tasks']);
  });

  it('sends the device back to the version of the server', async () => {
    const id = await insertTask(database, 'alice', 'as it was');
    rule = () => ({ reason: 'task_locked', message: 'the task is locked' });
    const { rejected } = await alice.push([
      { id, table_name: 'tasks', operation: 'update', data: { title: 'changed' }, client_updated_at: LATER },
      { id, table_name: 'tasks', operation: 'delete' },
    ]);
    expect(rejected).toHaveLength(2);
    for (const result of rejected)
      expect(result).toMatchObject({
        status: 'rejected_terminal',
        reason_code: 'task_locked',
        server_version: { id, data: { title: 'as it was' } },
      });
    expect(await titleOf({ id })).toBe('as it was');
  });

  it('is shown the write: values as on the wire, the row before, and the entity as it would be', async () => {
    const made = create('whole', {
      priority: 3,
      estimate: '12.50',
      big_count: '9223372036854775807',
      labels: ['a', 'b'],
      metadata: { deep: [1] },
      due_at: '2026-01-02T03:04:05Z',
      no_such_column: 1,
    });
    await push(made);
    await push({ ...made, operation: 'update', data: { title: 'changed' } });
    const [onCreate, onUpdate] = seen;
    expect(onCreate).toMatchObject({
      userId: 'alice',
      clientId: alice.clientId,
      table: 'tasks',
      recordId: made.id,
      operation: 'create',
      current: null,
    });
    expect(onCreate?.data).toEqual({
      title: 'whole',
      priority: 3,
      estimate: '12.50',
      big_count: '9223372036854775807',
      labels: ['a', 'b'],
      metadata: { deep: [1] },
      due_at: '2026-01-02T03:04:05Z',
    });
    const entity = onCreate?.entity as Task;
    expect(entity).toBeInstanceOf(Task);
    expect(entity).toMatchObject({
      id: made.id,
      userId: 'alice',
      title: 'whole',
      bigCount: '9223372036854775807',
      dueAt: new Date('2026-01-02T03:04:05Z'),
    });
    expect(onUpdate).toMatchObject({ operation: 'update', data: { title: 'changed' } });
    expect(onUpdate?.current).toMatchObject({ title: 'whole', priority: 3, user_id: 'alice' });
    expect(onUpdate?.entity).toMatchObject({
      title: 'changed',
      priority: 3,
      bigCount: '9223372036854775807',
    });
  });

  it('may use class-validator on the entity', async () => {
    class CheckedTask extends Task {}
    MaxLength(5)(CheckedTask.prototype, 'title');
    IsInt()(CheckedTask.prototype, 'priority');
    rule = async ({ entity }) => {
      const errors = await validate(Object.assign(new CheckedTask(), entity));
      return errors.length === 0
        ? undefined
        : { reason: 'validation_failed', message: errors.map(({ property }) => property).join(', ') };
    };
    const [short, long] = [create('short', { priority: 1 }), create('too long', { priority: 1 })];
    expect(await push(short, long)).toEqual(['applied', 'validation_failed']);
    const update: PushChange = { ...short, operation: 'update', data: { title: 'far too long' } };
    expect(await push(update)).toEqual(['validation_failed']);
  });

  it('reads within the push: what it wrote before is there', async () => {
    const counts: unknown[] = [];
    rule = async ({ manager }) => void counts.push(await manager.countBy(Task, { title: 'countable' }));
    const first = create('countable');
    await push(first, { ...first, operation: 'update', data: { title: 'renamed' } });
    expect(counts).toEqual([0, 1]);
  });

  it('may throw an HttpException of a service that the host has anyway', async () => {
    rule = () => {
      throw new ForbiddenException('the project is archived');
    };
    const { rejected } = await alice.push([create('archived')]);
    expect(rejected).toMatchObject([
      { status: 'rejected_terminal', reason_code: 'write_rejected', message: 'the project is archived' },
    ]);
  });

  it.each([
    ['an error of the host', () => Promise.reject(new TypeError('undefined is not a function'))],
    ['a failing query', ({ manager }: BeforeApplyEvent): Promise<never> => manager.query('SELECT 1/0')],
    [
      'a service that is down',
      () => Promise.reject(new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } })),
    ],
  ])('that fails by %s keeps the change on its device, and all others go on', async (_, fail) => {
    rule = async (event) => {
      await event.manager.query('SELECT 1');
      return event.data['title'] === 'unlucky' ? fail(event) : undefined;
    };
    const [first, unlucky, last] = [create('first'), create('unlucky'), create('last')];
    expect(await push(first, unlucky, last)).toEqual(['applied', 'internal_error', 'applied']);
    expect(await titleOf(unlucky)).toBeUndefined();
    rule = () => undefined;
    expect(await push(unlucky)).toEqual(['applied']);
  });

  it('may swallow an error of its query: the push goes on', async () => {
    rule = ({ manager }) => manager.query('SELECT 1/0').catch(() => undefined);
    const made = create('swallowed');
    expect(await push(made)).toEqual(['applied']);
    expect(await titleOf(made)).toBe('swallowed');
  });

  it('makes the push run again where PostgreSQL asks for that', async () => {
    let attempts = 0;
    rule = ({ manager }) => {
      if (attempts++ > 0) return undefined;
      return manager.query(`DO $$ BEGIN RAISE 'lost' USING ERRCODE = 'serialization_failure'; END $$`);
    };
    expect(await push(create('once more'))).toEqual(['applied']);
    expect(attempts).toBe(2);
  });

  it('is not asked about what is refused anyway', async () => {
    const foreign = await insertTask(database, 'bob', 'foreign');
    await push({ id: foreign, table_name: 'tasks', operation: 'update', data: { title: 'mine' } });
    expect(seen).toEqual([]);
  });

  it('of a child may count on the parent: it is asked when that is there', async () => {
    const parent = create('parent');
    const spam = { id: randomUUID(), table_name: 'comments', operation: 'create' } as const;
    const ham = { ...spam, id: randomUUID(), data: { task_id: parent.id, body: 'ham' } };
    expect(await push({ ...spam, data: { task_id: parent.id, body: 'spam' } }, ham, parent)).toEqual([
      'spam',
      'applied',
      'applied',
    ]);
  });

  it.each(['update', 'delete', 'create'] as const)(
    'that gives the row to somebody else keeps its own %s from being written',
    async (operation) => {
      const id = await insertTask(database, 'alice', 'given away');
      if (operation === 'create')
        await database.query('UPDATE tasks SET deleted_at = now() WHERE id = $1', [id]);
      const [before] = await database.query('SELECT title, deleted_at FROM tasks WHERE id = $1', [id]);
      rule = ({ manager, recordId }) => giveAway(manager, recordId);
      const change: PushChange = { id, table_name: 'tasks', operation, client_updated_at: LATER };
      expect(await push({ ...change, data: { title: 'changed' } })).toEqual(['ownership_violation']);
      expect(
        await database.query('SELECT user_id, title, deleted_at FROM tasks WHERE id = $1', [id]),
      ).toEqual([{ user_id: 'bob', ...before }]);
    },
  );

  it('that gives the parent to somebody else keeps its own create from being written', async () => {
    const task = await insertTask(database, 'alice', 'given away');
    const id = randomUUID();
    const data = { task_id: task, body: 'hijack' };
    expect(await push({ id, table_name: 'comments', operation: 'create', data })).toEqual([
      'ownership_violation',
    ]);
    expect(await database.query('SELECT FROM comments WHERE id = $1', [id])).toEqual([]);
  });

  it('of an entity that is not synced stops the start, by name', async () => {
    @Injectable()
    class Misplaced {
      @BeforeApply(() => TaskShare)
      share(): void {}
    }
    await expect(startApp({ database, host: { providers: [Misplaced] } })).rejects.toThrow(
      /Misplaced\.share is to be asked before writes of TaskShare, which is not synced/,
    );
  });
});
