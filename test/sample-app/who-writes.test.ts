import { randomUUID } from 'node:crypto';
import { SyncDevice } from 'nestjs-synchro/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { insertComment, insertTask } from '../support/sample-rows.js';
import { eventually } from '../support/wait.js';
import { startSampleApp, type SampleApp } from './sample-app.js';

let sample: SampleApp;
let alice: string;
let bob: SyncDevice;
let bobsId: string;
let task: string;

beforeAll(async () => {
  sample = await startSampleApp();
});
afterAll(() => sample.close());
beforeEach(async () => {
  [alice, bobsId] = [randomUUID(), randomUUID()];
  task = await insertTask(sample.database, alice, 'Write the report');
  bob = new SyncDevice({ target: `${sample.url}/sync`, headers: { 'x-user-id': bobsId } });
  await bob.start();
});

/** Shares the task with Bob, and waits until his device has it. */
async function share(canEdit: boolean): Promise<void> {
  await sample.database.query('INSERT INTO task_shares VALUES ($1, $2, $3)', [task, bobsId, canEdit]);
  await eventually(async () => {
    await bob.pull();
    expect(bob.rows('tasks').has(task)).toBe(true);
  });
}

async function title(): Promise<string | undefined> {
  const [row] = await sample.database.query<{ title: string }>(
    'SELECT title FROM tasks WHERE id = $1 AND deleted_at IS NULL',
    [task],
  );
  return row?.title;
}

async function comments(): Promise<readonly string[]> {
  const rows = await sample.database.query<{ body: string }>(
    'SELECT body FROM comments WHERE task_id = $1 AND deleted_at IS NULL ORDER BY body',
    [task],
  );
  return rows.map(({ body }) => body);
}

const REFUSED = { status: 'rejected_terminal', reason_code: 'ownership_violation' };
const UNSEEN = { status: 'rejected_terminal', reason_code: 'record_not_found' };

describe('a shared task', () => {
  it('is edited by the user whose share says so, stays its owner’s, and is deleted by the owner alone', async () => {
    await share(true);
    expect(await bob.update('tasks', task, { title: 'By Bob' })).toMatchObject({ status: 'applied' });
    expect(await bob.delete('tasks', task)).toMatchObject(REFUSED);
    expect(await title()).toBe('By Bob');
    const [row] = await sample.database.query('SELECT user_id FROM tasks WHERE id = $1', [task]);
    expect(row).toEqual({ user_id: alice });
  });

  it('is read only for a user whose share says nothing', async () => {
    await share(false);
    expect(await bob.update('tasks', task, { title: 'By Bob' })).toMatchObject(REFUSED);
    expect(await title()).toBe('Write the report');
  });

  it('is not edited any more once the right is taken away, though it is still seen', async () => {
    await share(true);
    await sample.database.query('UPDATE task_shares SET can_edit = false WHERE task_id = $1', [task]);
    expect(await bob.update('tasks', task, { title: 'By Bob' })).toMatchObject(REFUSED);
    expect(bob.rows('tasks').has(task)).toBe(true);
  });
});

describe('comments', () => {
  it('are written, changed and deleted by everybody who sees the task', async () => {
    await share(false);
    const theirs = await insertComment(sample.database, task, 'By Alice');
    const made = await bob.create('comments', { task_id: task, body: 'By Bob' });
    expect(made).toMatchObject({ status: 'applied' });
    expect(await comments()).toEqual(['By Alice', 'By Bob']);
    await eventually(async () => {
      await bob.pull();
      expect(bob.rows('comments').has(theirs)).toBe(true);
    });
    expect(await bob.update('comments', theirs, { body: 'Changed' })).toMatchObject({ status: 'applied' });
    expect(await bob.delete('comments', made.id)).toMatchObject({ status: 'applied' });
    expect(await comments()).toEqual(['Changed']);
  });

  it('are not written by a user who does not see the task, who learns nothing of it', async () => {
    const theirs = await insertComment(sample.database, task, 'By Alice');
    const made = await bob.create('comments', { task_id: task, body: 'By Bob' });
    expect(made).toMatchObject({ status: 'rejected_terminal', reason_code: 'parent_missing' });
    expect(await bob.update('comments', theirs, { body: 'Changed' })).toMatchObject(UNSEEN);
    expect(await bob.update('tasks', task, { title: 'By Bob' })).toMatchObject(UNSEEN);
    expect(await comments()).toEqual(['By Alice']);
  });

  it('are not written any more once the task is shared no longer', async () => {
    await share(true);
    await sample.database.query('DELETE FROM task_shares WHERE task_id = $1', [task]);
    await eventually(async () => {
      await bob.pull();
      expect(bob.rows('tasks').has(task)).toBe(false);
    });
    expect(await bob.create('comments', { task_id: task, body: 'By Bob' })).toMatchObject({
      status: 'rejected_terminal',
    });
    expect(await comments()).toEqual([]);
  });
});
