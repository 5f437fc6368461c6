import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { change, type PushFixture, pushFixture } from '../../support/push-fixture.js';
import { ALICE } from '../../support/push-tables.js';
import { createTableSql, owned } from '../../support/schema-fixtures.js';

let push: PushFixture;

beforeAll(async () => {
  push = await pushFixture(
    [owned('things', { hiddenColumns: ['secret'] })],
    [
      `CREATE TYPE mood AS ENUM ('fine')`,
      `CREATE DOMAIN code AS varchar(5)`,
      createTableSql(
        'things',
        `user_id uuid, first text, amount integer, name varchar(10), day date, mood mood, code code, ratio numeric(4, 2),
         link uuid, tags integer[], document jsonb, needed text NOT NULL DEFAULT 'x', secret text NOT NULL DEFAULT 'x',
         last text`,
      ),
      'CREATE TABLE audit (what text NOT NULL)',
      `CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         IF NEW.first = 'audit' THEN INSERT INTO audit VALUES (NULL); END IF;
         IF NEW.first = 'secret' THEN NEW.secret := NULL; END IF;
         IF NEW.first = 'cast' THEN NEW.amount := 'no number'; END IF;
         IF NEW.first = 'null' THEN NEW.needed := NULL; END IF;
         RETURN NEW; END $$`,
      'CREATE TRIGGER audit BEFORE INSERT OR UPDATE ON things FOR EACH ROW EXECUTE FUNCTION audit()',
    ],
  );
});
afterAll(() => push.close());

const GOOD = { first: 'a', last: 'z' };

describe('the verdict on data that can not be stored', () => {
  it.each([
    ['amount', 'no number'],
    ['amount', 2_147_483_648],
    ['amount', 1.5],
    ['name', 'longer than its ten'],
    ['day', '2026-02-30'],
    ['mood', 'furious'],
    ['code', 'six___'],
    ['ratio', '100.00'],
    ['link', 'no uuid'],
    ['tags', '{1,two}'],
    ['first', 'a\0b'],
    ['last', 'a\ud800'],
    ['document', '['.repeat(200) + ']'.repeat(200)],
  ])('names the column %s that refuses %j, and no value', async (column, value) => {
    const message = `invalid data format: column "${column}"`;
    const refused = { status: 'rejected_terminal', reason_code: 'invalid_data', message };
    const id = randomUUID();
    const data = { ...GOOD, [column]: value };
    const [bad, good] = await push.push(ALICE, [
      change('create', 'things', id, data),
      change('create', 'things', randomUUID(), GOOD),
    ]);
    expect(bad).toMatchObject(refused);
    expect(good).toMatchObject({ status: 'applied' });

    await push.pushOne(ALICE, change('create', 'things', id, GOOD));
    expect(await push.pushOne(ALICE, change('update', 'things', id, data))).toMatchObject(refused);
  });

  it('names the first of several, in the order of the table', async () => {
    const data = { last: 'a\0', link: 'no uuid', day: 'no day', first: 'a' };
    expect(await push.pushOne(ALICE, change('create', 'things', randomUUID(), data))).toMatchObject({
      message: 'invalid data format: column "day"',
    });
  });

  it('names the key', async () => {
    expect(await push.pushOne(ALICE, change('create', 'things', 'no uuid', GOOD))).toMatchObject({
      reason_code: 'invalid_data',
      message: 'invalid data format: column "id"',
    });
  });

  it.each([
    ['null', 'create_failed', 'failed to create record: column "needed" must have a value'],
    // Of a column that devices don't know, of another table, of code of the host's: nothing is named.
    ['secret', 'create_failed', 'failed to create record'],
    ['audit', 'create_failed', 'failed to create record'],
    ['cast', 'invalid_data', 'invalid data format'],
  ])('says of a trigger that fails by %s: %s, %s', async (first, reason_code, message) => {
    expect(await push.pushOne(ALICE, change('create', 'things', randomUUID(), { first }))).toMatchObject({
      status: 'rejected_terminal',
      reason_code,
      message,
    });
  });

  it('asks for the columns of the first changes alone, when there are many', async () => {
    const changes = Array.from({ length: 40 }, () =>
      change('create', 'things', randomUUID(), { day: 'no day' }),
    );
    const messages = (await push.push(ALICE, changes)).map(({ message }) => message);
    expect(messages.slice(0, 20)).toEqual(messages.slice(0, 20).fill('invalid data format: column "day"'));
    expect(messages.slice(20)).toEqual(messages.slice(20).fill('invalid data format'));
  });
});
