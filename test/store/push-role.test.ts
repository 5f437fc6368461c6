import { randomUUID } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import type { PushChange } from '../../lib/engine/push/push-change.js';
import { inTransaction } from '../../lib/database/session.js';
import { qualifyOn } from '../../lib/database/sync-schema.js';
import { change, only, type PushFixture, pushFixture } from '../support/push-fixture.js';
import { ALICE, BOB, DDL, TABLES } from '../support/push-tables.js';
import { createRole } from '../support/roles.js';

let push: PushFixture;
let pushRole: string;
let task: string;

beforeAll(async () => {
  push = await pushFixture(TABLES, DDL, 'pushRole');
  pushRole = push.role ?? '';
  // A trigger tells in which role the row was written.
  for (const sql of [
    `CREATE FUNCTION note_role() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.notes := current_user; RETURN NEW; END'`,
    'CREATE TRIGGER note_role BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION note_role()',
    `CREATE POLICY refusal ON tasks AS RESTRICTIVE TO ${pushRole} USING (true) WITH CHECK (title <> 'refused')`,
  ])
    await push.db.query(sql);
});
afterAll(() => push.close());
beforeEach(() => {
  task = randomUUID();
});

const create = (title = task): PushChange => change('create', 'tasks', task, { title });

const roleOf = async (manager: EntityManager): Promise<unknown> =>
  only(await manager.query<{ current_user: string }[]>('SELECT current_user')).current_user;

it('a push writes in its role, and leaves it before anything else is done [interleaving 21]', async () => {
  await inTransaction(push.dataSource, 'write', async (manager) => {
    const before = await roleOf(manager);
    const results = await push.apply(manager, ALICE, [create()]);
    expect(results).toMatchObject([{ status: 'applied' }]);
    expect(await roleOf(manager)).toBe(before);
  });
  expect(await push.db.query('SELECT notes FROM tasks WHERE id = $1', [task])).toEqual([{ notes: pushRole }]);
});

it("the host's validators and hooks run outside of it, a validator that fails in SQL too [interleaving 21]", async () => {
  await inTransaction(push.dataSource, 'write', async (manager) => {
    const own = await roleOf(manager);
    const seen: unknown[] = [];
    const results = await push.apply(
      manager,
      ALICE,
      [create(), change('update', 'tasks', task, { title: 'x' })],
      {
        hooks: {
          beforeApply: async (event) => {
            seen.push(await roleOf(event.manager));
            if (event.operation === 'update') await event.manager.query('SELECT 1 / 0');
          },
          onPushAccepted: async (event) => {
            seen.push(await roleOf(event.manager));
          },
        },
      },
    );
    expect(results.map(({ status }) => status)).toEqual(['applied', 'rejected_retryable']);
    expect(seen).toEqual([own, own, own]);
  });
});

it('hooks run outside of it, too, when the last thing that a push did was to read [interleaving 21]', async () => {
  const foreign = randomUUID();
  await push.db.query('INSERT INTO tasks (id, user_id, title) VALUES ($1, $2, $3)', [foreign, BOB, foreign]);
  await inTransaction(push.dataSource, 'write', async (manager) => {
    const own = await roleOf(manager);
    const seen: unknown[] = [];
    const comment = change('create', 'comments', randomUUID(), { task_id: foreign, body: 'x' });
    const results = await push.apply(manager, ALICE, [create(), comment], {
      hooks: {
        onPushAccepted: async (event) => {
          seen.push(await roleOf(event.manager));
        },
      },
    });
    expect(results.map(({ status }) => status)).toEqual(['applied', 'rejected_terminal']);
    expect(seen).toEqual([own]);
  });
});

it('a change that a policy refuses is terminal; the rest of the push goes on, in the right roles [W-PUSH-2]', async () => {
  const [second, comment] = [randomUUID(), randomUUID()];
  const results = await push.push(ALICE, [
    create('refused'),
    change('create', 'tasks', second, { title: second }),
    // Its parent is still to come: it goes to one of sync's own tables.
    change('create', 'comments', comment, { task_id: randomUUID(), body: 'x' }),
  ]);
  expect(results.map(({ status, reason_code }) => reason_code ?? status)).toEqual([
    'ownership_violation',
    'applied',
    'applied',
  ]);
  expect(results[0]).toMatchObject({ status: 'rejected_terminal' });
  expect(await push.db.query('SELECT id FROM tasks WHERE id = ANY($1)', [[task, second]])).toEqual([
    { id: second },
  ]);
  expect(await push.db.query('SELECT FROM sync_parked_rows WHERE record_id = $1', [comment])).toHaveLength(1);
});

it("it comes back to the role that the connection was in, which needn't be that of its session", async () => {
  const own = await createRole(push.db, 'own "role"');
  await own.grantSyncTables();
  await push.db.query(`GRANT ${pushRole} TO "${push.db.name}_own ""role"""`);
  const runner = push.dataSource.createQueryRunner();
  qualifyOn(runner);
  try {
    await runner.query(`SET ROLE "${push.db.name}_own ""role"""`);
    await runner.query('BEGIN');
    const results = await push.apply(runner.manager, ALICE, [create()]);
    expect(results).toMatchObject([{ status: 'applied' }]);
    expect(await roleOf(runner.manager)).toBe(own.name);
    await runner.query('ROLLBACK');
    expect(await roleOf(runner.manager)).toBe(own.name);
  } finally {
    await runner.query('ROLLBACK; RESET ROLE');
    await runner.release();
    await push.db.query(`DROP OWNED BY "${push.db.name}_own ""role"""`);
    await own.drop();
  }
});

const roundTrips = async (fixture: PushFixture): Promise<number> =>
  inTransaction(fixture.dataSource, 'write', async (manager) => {
    const query = vi.spyOn(manager, 'query');
    const [updated, comment] = [randomUUID(), randomUUID()];
    await fixture.apply(manager, BOB, [
      create(randomUUID()),
      change('create', 'tasks', updated, { title: updated }),
      change('create', 'comments', comment, { task_id: updated, body: 'x' }),
      change('update', 'tasks', updated, { title: 'changed' }),
    ]);
    return query.mock.calls.length;
  });

it('takes no more round trips than without it, for a user who has nothing parked', async () => {
  const plain = await pushFixture(TABLES, DDL);
  try {
    expect(await roundTrips(push)).toBe(await roundTrips(plain));
  } finally {
    await plain.close();
  }
});
