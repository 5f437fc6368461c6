import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTableSql, owned } from '../support/schema-fixtures.js';
import { change, pushFixture, type PushFixture } from '../support/push-fixture.js';

let fixture: PushFixture;

beforeAll(async () => {
  fixture = await pushFixture([owned('tasks')], [createTableSql('tasks', 'user_id text, title text')]);
});
afterAll(() => fixture.close());

describe('an operation', () => {
  it('[scenarios 42, 43, 44, 48] is create, update or delete, and echoed', async () => {
    const id = randomUUID();
    for (const operation of ['create', 'update', 'delete']) {
      const result = await fixture.pushOne('alice', change(operation, 'tasks', id, { title: operation }));
      expect(result).toMatchObject({ operation, status: 'applied' });
    }
  });

  it.each([
    ['45', 'insert'],
    ['46', ''],
    ['47', 'CREATE'],
  ])('[scenario %s] is not %j', async (_, operation) => {
    const result = await fixture.pushOne('alice', change(operation, 'tasks', randomUUID(), {}));
    expect(result).toMatchObject({
      accepted: false,
      status: 'rejected_terminal',
      reason_code: 'invalid_operation',
    });
  });
});
