import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PushChange } from '../../lib/engine/push/push-change.js';
import type { BeforeApplyEvent } from '../../lib/index.js';
import { ACCESSES, change, type PushFixture, pushFixture } from '../support/push-fixture.js';
import { ALICE, BOB } from '../support/push-tables.js';
import { createTableSql, owned } from '../support/schema-fixtures.js';

const DDL = [
  createTableSql('tasks', 'user_id text NOT NULL, title text, number integer'),
  'CREATE SEQUENCE numbers',
  'GRANT USAGE ON SEQUENCE numbers TO PUBLIC',
  `CREATE FUNCTION give_number() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN NEW.number := nextval('public.numbers'); RETURN NEW; END $$`,
  'CREATE TRIGGER give_number BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION give_number()',
];

function create(id: string, title: string): PushChange {
  return change('create', 'tasks', id, { title });
}

/** Pushes of creates alone are written without a look at what is there. */
describe.each(ACCESSES)('creates, as %s', (access) => {
  let push: PushFixture;

  beforeAll(async () => {
    push = await pushFixture([owned('tasks')], DDL, access);
  });
  afterAll(() => push.close());
  beforeEach(async () => {
    await push.db.query('TRUNCATE tasks; ALTER SEQUENCE numbers RESTART');
  });

  const titles = async (): Promise<unknown> =>
    push.db.query('SELECT user_id, title, number FROM tasks ORDER BY number');

  it('that come again are applied, and run no trigger for what is there [W-HOST-94]', async () => {
    const [first, second] = [randomUUID(), randomUUID()];
    await push.push(ALICE, [create(first, 'one')]);
    const again = await push.push(ALICE, [create(first, 'one'), create(second, 'two')]);
    expect(again.map(({ status }) => status)).toEqual(['applied', 'applied']);
    const rows = [
      { user_id: ALICE, title: 'one', number: 1 },
      { user_id: ALICE, title: 'two', number: 2 },
    ];
    expect(await titles()).toEqual(rows);
    await push.push(ALICE, [create(first, 'one'), create(second, 'two')]);
    expect(await push.db.query(`SELECT nextval('numbers')::integer AS next`)).toEqual([{ next: 3 }]);
  });

  it('take no id that is another user’s, and say nothing of it', async () => {
    const id = randomUUID();
    await push.push(BOB, [create(id, 'his')]);
    const [taken, made] = await push.push(ALICE, [create(id, 'mine'), create(randomUUID(), 'new')]);
    expect(taken).toMatchObject({ status: 'rejected_terminal', reason_code: 'ownership_violation' });
    expect(taken).not.toHaveProperty('server_version');
    expect(made).toMatchObject({ status: 'applied' });
    expect(await titles()).toMatchObject([
      { user_id: BOB, title: 'his' },
      { user_id: ALICE, title: 'new' },
    ]);
  });

  it('of what was deleted bring it back, once', async () => {
    const id = randomUUID();
    await push.push(ALICE, [create(id, 'first')]);
    await push.push(ALICE, [change('delete', 'tasks', id)]);
    const [back, again] = await push.push(ALICE, [create(id, 'second'), create(id, 'second')]);
    expect([back?.status, again?.status]).toEqual(['applied', 'applied']);
    expect(await titles()).toEqual([{ user_id: ALICE, title: 'second', number: 1 }]);
  });

  it('are put before validators as what they are: changes, where the record is there [W-HOST-95]', async () => {
    const id = randomUUID();
    await push.push(ALICE, [create(id, 'one')]);
    const seen = new Set<unknown>();
    let calls = 0;
    const beforeApply = ({ current }: BeforeApplyEvent): void => {
      calls += 1;
      seen.add(current?.['title'] ?? null);
    };
    await push.push(ALICE, [create(id, 'other'), create(randomUUID(), 'two')], { hooks: { beforeApply } });
    expect(calls).toBe(2);
    expect(seen).toEqual(new Set(['one', null]));
  });
});
