import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_TRIES } from '../../../lib/engine/push/failures/change-tries.js';
import type { PushChange, PushResult } from '../../../lib/engine/push/push-change.js';
import { createTableSql, owned, readOnly } from '../../support/schema-fixtures.js';
import { change, type PushFixture, pushFixture, sortedIds } from '../../support/push-fixture.js';
import { ALICE, BOB } from '../../support/push-tables.js';

let push: PushFixture;

const NAMES = 'plain late_keys later_keys ruled instead_of silent renamed given moved emptied excluded'.split(
  ' ',
);

const trigger = (table: string, when: string, body: string): readonly string[] => [
  `CREATE FUNCTION ${table}_${when.replaceAll(' ', '_')}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${body} RETURN NEW; END $$`,
  `CREATE TRIGGER t_${when.replaceAll(' ', '_')} ${when} ON ${table} FOR EACH ROW EXECUTE FUNCTION ${table}_${when.replaceAll(' ', '_')}()`,
];

beforeAll(async () => {
  push = await pushFixture(
    [
      ...NAMES.map((name) => owned(name)),
      readOnly('children', {
        pushPolicy: 'owner_only',
        parent: 'plain',
        parentFkColumn: 'plain_id',
        protectedColumns: new Set(['id', 'updated_at', 'deleted_at', 'plain_id']),
        depth: 1,
      }),
    ],
    [
      'CREATE EXTENSION btree_gist',
      ...NAMES.map((name) => createTableSql(name, 'user_id uuid, title text, code text')),
      createTableSql('children', 'plain_id uuid NOT NULL REFERENCES plain, title text'),
      ...['late_keys', 'later_keys'].flatMap((name) => [
        `ALTER TABLE ${name} DROP CONSTRAINT ${name}_pkey`,
        `ALTER TABLE ${name} ADD PRIMARY KEY (id) DEFERRABLE INITIALLY ${name === 'later_keys' ? 'DEFERRED' : 'IMMEDIATE'}`,
        `CREATE UNIQUE INDEX ${name}_code ON ${name} (lower(code)) WHERE deleted_at IS NULL`,
      ]),
      'ALTER TABLE excluded ADD EXCLUDE USING gist (code WITH =) DEFERRABLE',
      'CREATE TABLE log (id uuid)',
      'CREATE RULE also AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES (NEW.id)',
      'CREATE RULE also_updated AS ON UPDATE TO ruled DO ALSO INSERT INTO log VALUES (NEW.id)',
      `CREATE RULE nothing AS ON INSERT TO instead_of WHERE NEW.title = 'rule' DO INSTEAD NOTHING`,
      ...trigger('silent', 'BEFORE INSERT', `IF NEW.title = 'trigger' THEN RETURN NULL; END IF;`),
      ...trigger(
        'silent',
        'BEFORE UPDATE',
        `IF NEW.title = 'no' OR NEW.deleted_at IS NOT NULL THEN RETURN NULL; END IF;`,
      ),
      ...trigger(
        'renamed',
        'BEFORE INSERT',
        `IF NEW.title = 'rename' THEN NEW.id := gen_random_uuid(); END IF;`,
      ),
      ...trigger(
        'renamed',
        'BEFORE UPDATE',
        `IF NEW.title = 'rename' THEN NEW.id := gen_random_uuid(); END IF;`,
      ),
      ...trigger('given', 'BEFORE INSERT', `IF NEW.title = 'give' THEN NEW.user_id := '${BOB}'; END IF;`),
      ...trigger('given', 'BEFORE UPDATE', `IF NEW.title = 'give' THEN NEW.user_id := '${BOB}'; END IF;`),
      ...trigger(
        'children',
        'BEFORE INSERT',
        `IF NEW.title = 'rename' THEN NEW.id := gen_random_uuid(); END IF;`,
      ),
    ],
  );
});
afterAll(() => push.close());

const create = (table: string, id: string, title = 'x', data: object = {}): PushChange =>
  change('create', table, id, { title, ...data });

const verdicts = (results: readonly PushResult[]): readonly string[] =>
  results.map(({ status, reason_code }) => (status === 'applied' ? status : `${status} ${reason_code}`));

const count = async (table: string): Promise<number> => {
  const [row] = await push.db.query(`SELECT count(*)::int AS n FROM ${table}`);
  return Number(row?.n);
};

describe.each(['late_keys', 'later_keys', 'ruled'])(
  'a table that takes plain statements only (%s)',
  (table) => {
    it('is written: creates, updates and deletes, each record with its own verdict [W-HOST-30]', async () => {
      const ids = sortedIds(5);
      const created = await push.push(ALICE, [
        ...ids.slice(0, 3).map((id) => create(table, id)),
        create(table, ids[3] ?? '', 'a\0'),
        create(table, ids[4] ?? ''),
      ]);
      expect(verdicts(created)).toEqual([
        'applied',
        'applied',
        'applied',
        'rejected_terminal invalid_data',
        'applied',
      ]);
      const changed = await push.push(ALICE, [
        change('update', table, ids[0], { title: 'y' }),
        change('delete', table, ids[1]),
      ]);
      expect(verdicts(changed)).toEqual(['applied', 'applied']);
      const rows = await push.db.query(
        `SELECT title, deleted_at IS NOT NULL AS gone FROM ${table} ORDER BY id`,
      );
      expect(rows).toEqual([
        { title: 'y', gone: false },
        { title: 'x', gone: true },
        { title: 'x', gone: false },
        { title: 'x', gone: false },
      ]);
    });

    it('distinguishes a key that is taken from a record that it refuses [W-PUSH-5]', async () => {
      const [taken, free] = [randomUUID(), randomUUID()];
      await push.push(BOB, [create(table, taken)]);
      const results = await push.push(ALICE, [create(table, taken), create(table, free)]);
      expect(verdicts(results)).toEqual(['rejected_terminal ownership_violation', 'applied']);
    });

    it('is written once by two pushes at the same time [W-PUSH-10]', async () => {
      const id = randomUUID();
      const twice = await push.whileOpen(
        (manager) =>
          manager.query(`INSERT INTO ${table} (id, user_id, title) VALUES ($1, $2, 'x')`, [id, ALICE]),
        () => push.push(ALICE, [create(table, id)]),
      );
      expect(verdicts(twice)).toEqual(['applied']);
    });
  },
);

it('unique and exclusion constraints besides the key are no conflict of keys [interleaving 19]', async () => {
  for (const table of ['late_keys', 'excluded']) {
    const results = await push.push(
      ALICE,
      ['a', 'a'].map((code) => create(table, randomUUID(), 'x', { code })),
    );
    expect(verdicts(results)).toEqual(['applied', 'rejected_terminal create_failed']);
  }
});

describe('what a trigger or a rule passes over', () => {
  it('is not stored, and the verdict says so [W-HOST-32]', async () => {
    const [good, bad] = [randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [create('silent', bad, 'trigger'), create('silent', good)]);
    expect(verdicts(results)).toEqual(['rejected_terminal create_failed', 'applied']);
    expect(results[0]?.message).toContain('passes it over');
  });

  it('is recognised for updates and deletes, too, and the device gets its row back [W-HOST-32]', async () => {
    const id = randomUUID();
    await push.push(ALICE, [create('silent', id)]);
    const update = await push.pushOne(ALICE, change('update', 'silent', id, { title: 'no' }));
    const deleted = await push.pushOne(ALICE, change('delete', 'silent', id));
    expect(verdicts([update, deleted])).toEqual([
      'rejected_terminal update_failed',
      'rejected_terminal delete_failed',
    ]);
    expect(JSON.parse(update.server_version ?? '{}')).toMatchObject({ data: { title: 'x' } });
  });

  it("is another user's key where that is the reason [W-PUSH-5]", async () => {
    const id = randomUUID();
    await push.push(BOB, [create('plain', id)]);
    expect(verdicts(await push.push(ALICE, [create('plain', id)]))).toEqual([
      'rejected_terminal ownership_violation',
    ]);
  });
});

describe('a trigger that gives a record another key', () => {
  it('stores nothing, however often the device sends it [W-HOST-31]', async () => {
    const [good, bad] = [randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [create('renamed', bad, 'rename'), create('renamed', good)]);
    expect(verdicts(results)).toEqual(['rejected_terminal create_failed', 'applied']);
    expect(results[0]?.message).toContain('another id');
    await push.push(ALICE, [create('renamed', bad, 'rename')]);
    expect(await count('renamed')).toBe(1);
  });

  it('changes nothing by an update [W-HOST-31]', async () => {
    const id = randomUUID();
    await push.push(ALICE, [create('renamed', id)]);
    const result = await push.pushOne(ALICE, change('update', 'renamed', id, { title: 'rename' }));
    expect(verdicts([result])).toEqual(['rejected_terminal update_failed']);
    expect(JSON.parse(result.server_version ?? '{}')).toMatchObject({ id, data: { title: 'x' } });
    expect(await push.db.query('SELECT title FROM renamed WHERE id = $1', [id])).toEqual([{ title: 'x' }]);
  });

  it('stores no child under its parent either [W-HOST-31]', async () => {
    const [parent, child] = [randomUUID(), randomUUID()];
    const results = await push.push(ALICE, [
      create('plain', parent),
      create('children', child, 'rename', { plain_id: parent }),
    ]);
    expect(verdicts(results)).toEqual(['applied', 'rejected_terminal create_failed']);
    expect(await count('children')).toBe(0);
  });
});

describe('a trigger that gives a record away', () => {
  it('is the word of the host: it is applied, and later changes are not the user’s to make [W-HOST-33]', async () => {
    const id = randomUUID();
    const results = await push.push(ALICE, [
      create('given', id, 'give'),
      change('update', 'given', id, { title: 'mine' }),
    ]);
    expect(results[0]).toMatchObject({ status: 'applied' });
    expect(results[0]?.server_updated_at).toBeUndefined();
    expect(results[1]).toMatchObject({ status: 'rejected_terminal', reason_code: 'ownership_violation' });
    const kept = randomUUID();
    await push.push(ALICE, [create('given', kept)]);
    const update = await push.pushOne(ALICE, change('update', 'given', kept, { title: 'give' }));
    expect(update).toMatchObject({ status: 'applied' });
    expect(await push.db.query('SELECT user_id FROM given WHERE id = $1', [kept])).toEqual([
      { user_id: BOB },
    ]);
  });
});

it('a table that takes no statement at all, by a rule that came later, costs the device nothing at once [W-HOST-30]', async () => {
  const [bad, good] = [randomUUID(), randomUUID()];
  const answers: (readonly string[])[] = [];
  for (let n = 0; n < MAX_TRIES; n++) {
    const changes = [create('instead_of', bad, 'typed'), create('plain', n === 0 ? good : randomUUID())];
    answers.push(verdicts(await push.push(ALICE, changes)));
  }
  expect(answers).toEqual([
    ...Array.from({ length: MAX_TRIES - 1 }, () => ['rejected_retryable internal_error', 'applied']),
    ['rejected_terminal internal_error', 'applied'],
  ]);
  const [kept] = await push.db.query('SELECT change FROM sync_push_failures WHERE record_id = $1', [bad]);
  expect(JSON.parse(String(kept?.change))).toEqual({ title: 'typed' });
});
