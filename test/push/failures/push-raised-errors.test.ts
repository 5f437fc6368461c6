import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_TRIES } from '../../../lib/engine/push/failures/change-tries.js';
import type { PushChange, PushResult } from '../../../lib/engine/push/push-change.js';
import { ConflictResolver } from '../../../lib/resolvers/conflict-resolver.js';
import type { Resolution } from '../../../lib/settings/conflict.js';
import { inTransaction } from '../../../lib/database/session.js';
import { createTableSql, owned } from '../../support/schema-fixtures.js';
import {
  change,
  only,
  type PushFixture,
  pushFixture,
  type PushOptions,
  sortedIds,
} from '../../support/push-fixture.js';
import { ALICE, BOB } from '../../support/push-tables.js';

let push: PushFixture;

/** A row's `state` is what the host's code raises for it; `early` asks for a sequence's value before there is one. */
beforeAll(async () => {
  push = await pushFixture(
    [owned('tasks'), owned('slow')],
    [
      'CREATE SEQUENCE numbers',
      'CREATE TABLE locked (id integer)',
      `CREATE FUNCTION raise_state() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF NEW.state = 'early' THEN NEW.title := currval('numbers');
         ELSIF NEW.state = 'gone' THEN PERFORM 1 FROM no_such_table;
         ELSIF NEW.state LIKE 't:%' THEN RAISE 'by a trigger' USING ERRCODE = substr(NEW.state, 3); END IF;
         RETURN NEW;
       END $$`,
      `CREATE FUNCTION checked(prefix text, state text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
         IF state LIKE prefix || ':%' THEN RAISE 'by a check' USING ERRCODE = substr(state, 3); END IF;
         RETURN true;
       END $$`,
      `CREATE DOMAIN checked_text AS text CHECK (checked('d', VALUE))`,
      createTableSql(
        'tasks',
        `user_id uuid, title text, state text NOT NULL DEFAULT '', domained checked_text`,
      ),
      `ALTER TABLE tasks ADD CHECK (checked('c', state))`,
      'CREATE TRIGGER raise_state BEFORE INSERT OR UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION raise_state()',
      createTableSql('slow', 'user_id uuid, title text'),
      `CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = '30ms' AS $$ BEGIN
         IF NEW.title = 'locks' THEN LOCK TABLE locked; END IF;
         RETURN NEW;
       END $$`,
      'CREATE TRIGGER be_slow BEFORE INSERT ON slow FOR EACH ROW EXECUTE FUNCTION be_slow()',
    ],
  );
});
afterAll(() => push.close());

const statuses = (results: readonly PushResult[]): readonly string[] => results.map(({ status }) => status);

const newTask = (data: object = {}, id: string = randomUUID()): PushChange =>
  change('create', 'tasks', id, { title: 'x', state: '', ...data });

const stored = async (ids: readonly string[], table = 'tasks'): Promise<readonly string[]> => {
  const rows = await push.db.query(`SELECT id FROM ${table} WHERE id = ANY($1) ORDER BY id`, [ids]);
  return rows.map(({ id }) => String(id));
};

/** Sends a change until the device may forget it. */
async function statusesUntilDone(bad: PushChange, options?: PushOptions): Promise<readonly string[]> {
  const found: string[] = [];
  while (found.at(-1) === undefined || found.at(-1) === 'rejected_retryable') {
    if (found.length > 20) throw new Error('the device is held up');
    found.push((await push.pushOne(ALICE, bad, options)).status);
  }
  return found;
}

const BOUNDED = [...Array(MAX_TRIES - 1).fill('rejected_retryable'), 'rejected_terminal'];

const STATES =
  '40001 40P01 55000 55P03 57014 57P01 53100 53200 53300 08006 08000 25006 58030 XX000 0A000 42P01 42703 42P10 26000 HV000 P0004';

describe.each([
  ['a trigger', 't', 'state'],
  ['a check', 'c', 'state'],
  ["a domain's check", 'd', 'domained'],
])('what %s raises', (_, prefix, column) => {
  it.each(STATES.split(' '))(
    'as %s costs no other record its place, and ends by a verdict [W-HOST-28]',
    async (state) => {
      const ids = sortedIds(9);
      const bad = newTask({ [column]: `${prefix}:${state}` }, ids[4]);
      const changes = ids.map((id, index) => (index === 4 ? bad : newTask({}, id)));
      const results = await push.push(ALICE, changes);
      expect(statuses(results.filter((_result, index) => index !== 4))).toEqual(Array(8).fill('applied'));
      expect(await stored(ids)).toEqual(ids.filter((id) => id !== ids[4]));
      const further = results[4]?.status === 'rejected_terminal' ? [] : await statusesUntilDone(bad);
      expect([results[4]?.status, ...further].at(-1)).toBe('rejected_terminal');
      expect(further.length).toBeLessThan(MAX_TRIES);
    },
  );
});

it.each(['early', 'gone'])(
  'a trigger that fails by itself (%s) holds nobody up [W-HOST-28]',
  async (state) => {
    const [good, bad] = [randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [newTask({ state }, bad), newTask({}, good)]);
    expect(statuses(results)).toEqual(['rejected_retryable', 'applied']);
    expect(await statusesUntilDone(newTask({ state }, bad))).toEqual(BOUNDED.slice(1));
  },
);

it("a lock that a trigger of the host's waits for in vain is its record's [W-HOST-28]", async () => {
  const ids = sortedIds(6);
  const changes = ids.map((id, index) =>
    change('create', 'slow', id, { title: index === 2 ? 'locks' : 'works' }),
  );
  const results = await inTransaction(push.dataSource, 'write', async (manager) => {
    await manager.query('LOCK TABLE locked');
    return push.push(ALICE, changes);
  });
  expect(statuses(results)).toEqual(ids.map((_, index) => (index === 2 ? 'rejected_retryable' : 'applied')));
  expect(only(await push.push(ALICE, changes.slice(2, 3))).status).toBe('applied');
});

describe('the tries of a change', () => {
  it('are counted for updates, whose device gets its row back in the end [W-HOST-29]', async () => {
    const id = randomUUID();
    await push.push(ALICE, [newTask({ title: 'before' }, id)]);
    const bad = change('update', 'tasks', id, { title: 'after', state: 't:55000' });
    const results = [];
    for (let n = 0; n < MAX_TRIES; n++) results.push(await push.pushOne(ALICE, bad));
    expect(statuses(results)).toEqual(BOUNDED);
    expect(JSON.parse(results.at(-1)?.server_version ?? '{}')).toMatchObject({ data: { title: 'before' } });
  });

  it('are those of this user, record and content [W-HOST-29]', async () => {
    const id = randomUUID();
    const bad = newTask({ state: 't:55000' }, id);
    for (let n = 1; n < MAX_TRIES; n++) await push.pushOne(ALICE, bad);
    const others = await Promise.all([
      push.pushOne(BOB, bad),
      push.pushOne(ALICE, newTask({ state: 't:55000', title: 'y' }, id)),
      push.pushOne(ALICE, newTask({ state: 't:55000' })),
    ]);
    expect(statuses(others)).toEqual(Array(3).fill('rejected_retryable'));
    expect((await push.pushOne(ALICE, bad)).status).toBe('rejected_terminal');
    // A device that didn't get the answer is told the same again.
    expect((await push.pushOne(ALICE, bad)).status).toBe('rejected_terminal');
  });

  it('are forgotten when it succeeds [W-HOST-29]', async () => {
    const id = randomUUID();
    const bad = newTask({ state: 'early' }, id);
    for (let n = 1; n < MAX_TRIES; n++) await push.pushOne(ALICE, bad);
    expect(await push.db.query('SELECT attempts FROM sync_push_failures WHERE record_id = $1', [id])).toEqual(
      [{ attempts: MAX_TRIES - 1 }],
    );
    await push.db.query('ALTER TABLE tasks DISABLE TRIGGER raise_state');
    try {
      expect((await push.pushOne(ALICE, bad)).status).toBe('applied');
    } finally {
      await push.db.query('ALTER TABLE tasks ENABLE TRIGGER raise_state');
    }
    expect(await push.db.query('SELECT FROM sync_push_failures WHERE record_id = $1', [id])).toEqual([]);
  });

  it('end with what was typed kept for an operator [W-HOST-29]', async () => {
    const id = randomUUID();
    await statusesUntilDone(newTask({ state: 't:XX000', title: 'long typed' }, id));
    const row = only(await push.db.query('SELECT * FROM sync_push_failures WHERE record_id = $1', [id]));
    expect(row).toMatchObject({ user_id: ALICE, table_name: 'tasks', attempts: MAX_TRIES });
    expect(JSON.parse(String(row.change))).toMatchObject({ title: 'long typed' });
    expect(row.error).toContain('XX000');
  });
});

class Raising extends ConflictResolver {
  constructor(private readonly sql: string | null) {
    super();
  }

  async resolve(...[, manager]: Parameters<ConflictResolver['resolve']>): Promise<Resolution> {
    if (this.sql === null) throw new Error('a service is down');
    await manager.query(this.sql);
    return { winner: 'client', reason: '' };
  }
}

const raise = (state: string): string => `DO $$ BEGIN RAISE 'x' USING ERRCODE = '${state}'; END $$`;

describe("the host's own code that fails for one record", () => {
  it.each([null, raise('55000'), raise('40001'), raise('57014'), raise('08006')])(
    'in a resolver ends by a verdict (%s) [W-HOST-28]',
    async (sql) => {
      const id = randomUUID();
      await push.push(ALICE, [newTask({}, id)]);
      const edit = change('update', 'tasks', id, { title: 'y' });
      expect(await statusesUntilDone(edit, { resolver: new Raising(sql) })).toEqual(BOUNDED);
    },
  );

  it.each([null, raise('55000'), raise('40P01'), raise('53300')])(
    'in a validator ends by a verdict (%s), and the others are applied [W-HOST-28]',
    async (sql) => {
      const [good, bad] = [newTask(), newTask({ title: 'bad' })];
      const options: PushOptions = {
        hooks: {
          beforeApply: async ({ data, manager }) => {
            if (data.title !== 'bad') return;
            if (sql === null) throw new Error('a service is down');
            await manager.query(sql);
          },
        },
      };
      expect(statuses(await push.push(ALICE, [bad, good], options))).toEqual([
        'rejected_retryable',
        'applied',
      ]);
      expect(await statusesUntilDone(bad, options)).toEqual(BOUNDED.slice(1));
    },
  );
});
