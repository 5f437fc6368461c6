import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PushChange, PushResult } from '../../../lib/engine/push/push-change.js';
import { change, fromNow, only, type PushFixture, pushFixture } from '../../support/push-fixture.js';
import { ALICE } from '../../support/push-tables.js';
import { createTableSql, owned } from '../../support/schema-fixtures.js';

const COLUMNS: Readonly<Record<string, string>> = {
  small: 'smallint',
  big: 'bigint',
  num: 'numeric',
  money: 'numeric(10,2)',
  real: 'float4',
  double: 'float8',
  flag: 'boolean',
  words: 'text[]',
  numbers: 'bigint[]',
  grid: 'integer[][]',
  amounts: 'numeric[]',
  doc: 'jsonb',
  text_doc: 'json',
  bytes: 'bytea',
  at: 'timestamptz',
  at_local: 'timestamp',
  at_ms: 'timestamp(3)',
  day: 'date',
  clock: 'time',
  span: 'interval',
  mood: 'mood',
  label: 'label',
  short: 'varchar(5)',
  body: 'text',
  must_doc: `jsonb NOT NULL`,
  counted: 'integer NOT NULL DEFAULT 7',
};

let push: PushFixture;

beforeAll(async () => {
  push = await pushFixture(
    [owned('things')],
    [
      `CREATE TYPE mood AS ENUM ('good', 'bad')`,
      `CREATE DOMAIN label AS text CHECK (length(value) < 20)`,
      createTableSql(
        'things',
        ['user_id uuid', ...Object.entries(COLUMNS).map(([name, type]) => `${name} ${type}`)].join(', '),
      ),
    ],
  );
});
afterAll(() => push.close());

/** Creates a thing with one column's value as JSON text, and reads it back as PostgreSQL's text. */
async function created(column: string, json: string): Promise<unknown> {
  const id = randomUUID();
  const data = column === 'must_doc' ? `{"${column}":${json}}` : `{"must_doc":{},"${column}":${json}}`;
  const result = await push.pushOne(ALICE, change('create', 'things', id, data));
  return result.accepted ? stored(id, column) : result.reason_code;
}

/** Updates one column from a stored value (as SQL) by a value as JSON text, beside an edit of another one. */
async function updated(column: string, before: string, json: string): Promise<unknown> {
  const id = randomUUID();
  const columns = column === 'must_doc' ? 'must_doc' : `must_doc, ${column}`;
  const values = column === 'must_doc' ? before : `'{}', ${before}`;
  await push.db.query(
    `INSERT INTO things (id, user_id, updated_at, ${columns}) VALUES ($1, $2, now() - interval '1 hour', ${values})`,
    [id, ALICE],
  );
  const result = await push.pushOne(
    ALICE,
    change('update', 'things', id, `{"body":"edited","${column}":${json}}`),
  );
  return result.accepted ? stored(id, column) : result.reason_code;
}

async function stored(id: string, column: string): Promise<unknown> {
  const row = only(await push.db.query(`SELECT ${column}::text AS value FROM things WHERE id = $1`, [id]));
  return row['value'];
}

describe('a number that is short as it is sent and very long as it is stored', () => {
  it.each([
    ['doc', '[1e131071]'],
    ['doc', '"{\\"a\\":[1E+401]}"'],
    ['doc', '{"a":1e-16383}'],
    ['num', '1e131071'],
    ['num', '"1e5000"'],
    ['amounts', '[1e131071]'],
    ['amounts', '"{1e5000}"'],
  ])('makes data that is none: %s %s', async (column, json) => {
    expect(await created(column, json)).toBe('invalid_data');
  });

  it.each([
    ['doc', '{"a":1e300}', `{"a": 1${'0'.repeat(300)}}`],
    ['doc', '["1e131071"]', '["1e131071"]'],
    ['num', '5e-324', `0.${'0'.repeat(323)}5`],
    ['text_doc', '[1e131071]', '[1e131071]'],
    ['body', '"1e131071"', '1e131071'],
  ])('is not what a double or a text is: %s %s', async (column, json, text) => {
    expect(await created(column, json)).toBe(text);
  });
});

describe('a value that a device sends', () => {
  it.each([
    ['an integer of 64 bits [W-DATA-1]', 'big', '9223372036854775807', '9223372036854775807'],
    [
      'a long numeric [W-DATA-1]',
      'num',
      '123456789012345678901234567890.123456789',
      '123456789012345678901234567890.123456789',
    ],
    ['an integer that SQLite keeps as REAL', 'big', '5.0', '5'],
    ['an integer with an exponent', 'big', '1E+2', '100'],
    ['a boolean in an integer column', 'small', 'true', '1'],
    ['a numeric with its scale', 'money', '5', '5.00'],
    ['a double', 'double', '1.0E-5', '1e-05'],
    ['a number that is none', 'double', '"NaN"', 'NaN'],
    ['a boolean as 1', 'flag', '1', 'true'],
    ['a boolean as 0', 'flag', '0', 'false'],
    ['an array as JSON text [W-DATA-2]', 'words', '"[\\"a\\",null,\\"b,c\\"]"', '{a,NULL,"b,c"}'],
    ['an array as an array [W-DATA-2]', 'words', '["a","}"]', '{a,"}"}'],
    ["an array in PostgreSQL's own form [W-DATA-2]", 'words', '"{a,\\"b c\\"}"', '{a,"b c"}'],
    ["an empty array as SQLite's default [W-SCH-6]", 'words', '"{}"', '{}'],
    ['an empty array as JSON text', 'words', '"[]"', '{}'],
    ['an array of integers of 64 bits', 'numbers', '"[9223372036854775807]"', '{9223372036854775807}'],
    ['an array of two dimensions', 'grid', '"[[1,2],[3,4]]"', '{{1,2},{3,4}}'],
    [
      'a document as JSON text [W-DATA-3]',
      'doc',
      '"{\\"a\\": 12345678901234567890}"',
      '{"a": 12345678901234567890}',
    ],
    ['a document as a document [W-DATA-3]', 'doc', '{"a":1.10}', '{"a": 1.10}'],
    ['a string that is no JSON [W-DATA-3]', 'doc', '"abc"', '"abc"'],
    ['a document of type json', 'text_doc', '"{\\"b\\":1,\\"a\\":2}"', '{"b":1,"a":2}'],
    ["a null document where SQL's null is refused [W-DATA-3]", 'must_doc', 'null', 'null'],
    ['bytes as base64 [W-DATA-4]', 'bytes', '"aGVsbG8="', '\\x68656c6c6f'],
    ['bytes as the server gave them [W-DATA-4]', 'bytes', '"\\\\x68656C"', '\\x68656c'],
    ['bytes of nothing', 'bytes', '""', '\\x'],
    ["SQLite's time means UTC [W-DATA-5]", 'at', '"2024-05-06 07:08:09"', '2024-05-06 07:08:09+00'],
    ['a time with an offset', 'at', '"2024-05-06T07:08:09.123456+02:00"', '2024-05-06 05:08:09.123456+00'],
    [
      'an offset in a column without zone [W-DATA-5]',
      'at_local',
      '"2024-05-06T07:08:09+02:00"',
      '2024-05-06 05:08:09',
    ],
    ['a time without zone', 'at_local', '"2024-05-06T07:08:09.123456"', '2024-05-06 07:08:09.123456'],
    ['a time of milliseconds', 'at_ms', '"2024-05-06T07:08:09.123Z"', '2024-05-06 07:08:09.123'],
    ['a day', 'day', '"2024-05-06"', '2024-05-06'],
    ['a time of day', 'clock', '"07:08:09.5"', '07:08:09.5'],
    ['an interval', 'span', '"1 day 02:00:00"', '1 day 02:00:00'],
    ['an enum', 'mood', '"bad"', 'bad'],
    ['a domain', 'label', '"x"', 'x'],
    ['a number in a text column [W-DATA-9]', 'body', '5.10', '5.10'],
    ['a boolean in a text column [W-DATA-9]', 'body', 'true', 'true'],
    ['a document in a text column', 'body', '{"a":[1,2]}', '{"a":[1,2]}'],
    ['null', 'body', 'null', null],
  ])('%s', async (_, column, json, expected) => {
    const setting = await created(column, json);
    // The reading connection is not one of sync's: its zone may be any.
    expect(typeof setting === 'string' && column === 'at' ? utc(setting) : setting).toEqual(
      typeof expected === 'string' && column === 'at' ? utc(expected) : expected,
    );
  });

  it.each([
    ['an integer out of range', 'small', '70000'],
    ['an integer with a fraction', 'big', '1.5'],
    ["an enum's unknown value", 'mood', '"ugly"'],
    ['a text that is too long', 'short', '"123456"'],
    ['a time that is none', 'at', '"soon"'],
    ['a malformed array', 'words', '"{a"'],
    ['a number for an array', 'words', '5'],
    ['a double out of range', 'double', '1e999'],
    ['NUL in a text', 'body', '"a\\u0000b"'],
    ['half of a surrogate pair', 'body', '"\\ud83d"'],
    ['NUL in a document', 'doc', '"{\\"a\\":\\"\\\\u0000\\"}"'],
  ])('%s is terminal', async (_, column, json) => {
    expect(await created(column, json)).toBe('invalid_data');
  });

  it("a domain's check is terminal", async () => {
    expect(await created('label', `"${'x'.repeat(30)}"`)).toBe('create_failed');
  });
});

function utc(text: string): number {
  return Date.parse(text.replace(/([+-]\d\d)$/, '$1:00'));
}

describe('a value that comes back from a device', () => {
  it.each([
    ['a string document without its quotes [W-DATA-3]', 'doc', `'"123"'`, '"123"', '"123"'],
    ['an edited string document [W-DATA-3]', 'doc', `'"123"'`, '"124"', '"124"'],
    ['a string document that becomes an object [W-DATA-3]', 'doc', `'"x"'`, '"{\\"a\\":1}"', '{"a": 1}'],
    ['a boolean document as 1 [W-DATA-3]', 'doc', `'true'`, '1', 'true'],
    ['a boolean document that becomes false [W-DATA-3]', 'doc', `'true'`, '0', 'false'],
    ['a number document', 'doc', `'1'`, '2', '2'],
    [
      'a numeric that no double holds, unchanged [W-DATA-1]',
      'num',
      '12345678901234567.89',
      '1.2345678901234568E16',
      '12345678901234567.89',
    ],
    ['a numeric that no double holds, edited [W-DATA-1]', 'num', '12345678901234567.89', '5.5', '5.5'],
    ["a document that SQL's null is refused for", 'must_doc', `'1'`, 'null', 'null'],
    ["JSON's null, which devices hold as SQL's [W-DATA-3]", 'doc', `'null'`, 'null', 'null'],
    ['a boolean document as text [W-DATA-3]', 'doc', `'true'`, '"1"', 'true'],
    ['a boolean document that becomes false as text [W-DATA-3]', 'doc', `'true'`, '"0"', 'false'],
    [
      'a json text with blanks [W-DATA-3]',
      'text_doc',
      `'{"a" :1, "a" :2}'`,
      '"{\\"a\\":2}"',
      '{"a" :1, "a" :2}',
    ],
    [
      'numbers in a document that no double holds, unchanged [W-DATA-1]',
      'doc',
      `'{"a": 12345678901234567890.5, "b": [1.10]}'`,
      '"{\\"b\\":[1.1],\\"a\\":1.2345678901234567E19}"',
      '{"a": 12345678901234567890.5, "b": [1.10]}',
    ],
    [
      'an integer of 64 bits in a document, edited to its neighbour [W-DATA-1]',
      'doc',
      `'{"a": 9007199254740993}'`,
      '"{\\"a\\":9007199254740992}"',
      '{"a": 9007199254740992}',
    ],
    [
      'a double document of 15 digits [W-DATA-1]',
      'doc',
      `'0.30000000000000004'`,
      '"0.3"',
      '0.30000000000000004',
    ],
    [
      'numerics in an array [W-DATA-1]',
      'amounts',
      `'{12345678901234567.89,1.10}'`,
      '"[1.2345678901234568E16,1.1]"',
      '{12345678901234567.89,1.10}',
    ],
    [
      'an integer beyond 64 bits [W-DATA-1]',
      'num',
      '100000000000000000000',
      '1.0E20',
      '100000000000000000000',
    ],
    [
      'a number beyond doubles [W-DATA-1]',
      'num',
      `1e400::numeric`,
      '1.7976931348623157E308',
      `1${'0'.repeat(400)}`,
    ],
    ['a negative zero [W-DATA-1]', 'double', `'-0'`, '0.0', '-0'],
    [
      'an array with bounds of its own [W-DATA-2]',
      'words',
      `'[0:1]={a,b}'`,
      '"[\\"a\\",\\"b\\"]"',
      '[0:1]={a,b}',
    ],
    [
      'a time that PostgreSQL prints and does not read [W-DATA-7]',
      'at_ms',
      `'294276-12-31 23:59:59.999999'`,
      '"294277-01-01T00:00:00"',
      '294277-01-01 00:00:00',
    ],
  ])('%s', async (_, column, before, json, expected) => {
    expect(await updated(column, before, json)).toBe(expected);
  });
});

/** Pushes the same creates twice, as long ago as not to win, and tells what became of the second ones. */
async function createdTwice(column: string, first: string, second: string): Promise<string> {
  const id = randomUUID();
  const create = (json: string): Promise<PushResult> => {
    const data = `{"must_doc":{},"${column}":${json}}`;
    return push.pushOne(ALICE, change('create', 'things', id, data, { at: fromNow(-60_000) }));
  };
  const before = await create(first);
  expect(before.status).toBe('applied');
  const after = await create(second);
  expect(after.server_updated_at ?? before.server_updated_at).toBe(before.server_updated_at);
  return after.status;
}

describe('a change that is pushed again, since its answer was lost, is applied', () => {
  it.each([
    ['a boolean', 'flag', 'false'],
    ['a null that means the default [W-DATA-8]', 'counted', 'null'],
    ['a numeric that was rounded', 'money', '5.005'],
    ['a time that was rounded', 'at_ms', '"2024-05-06T07:08:09.123456Z"'],
    ['another spelling of an interval', 'span', '"15 mons -3 days 100 secs"'],
    ['another spelling of a day', 'day', '"May 6, 2024"'],
    ['a double that a float4 rounds', 'real', '0.123456789'],
    ['an array', 'words', '"{a, b}"'],
    ['a text that loses its blanks', 'short', '"abcde   "'],
    ['a document', 'doc', '"{\\"b\\": 1.0, \\"a\\": 1e2}"'],
  ])('%s [W-PUSH-11]', async (_, column, json) => {
    expect(await createdTwice(column, json, json)).toBe('applied');
  });

  it.each([
    ['a value', 'money', '5.005', '5.02'],
    ['a spelling', 'span', '"15 mons"', '"16 mons"'],
    ['a value that can not be read', 'span', '"15 mons"', '"soon"'],
    ['a text', 'body', '"a"', '"b"'],
  ])('but with %s that differs it is a conflict', async (_, column, first, second) => {
    expect(await createdTwice(column, first, second)).toBe('conflict');
  });

  it('also beside one that can not be read', async () => {
    const ids = [randomUUID(), randomUUID(), randomUUID()];
    const creates = (spans: readonly string[]): PushChange[] =>
      spans.map((span, n) =>
        change('create', 'things', ids[n], { must_doc: {}, span }, { at: fromNow(-60_000) }),
      );
    await push.push(ALICE, creates(['13 mons', '14 mons', '15 mons']));
    const again = await push.push(ALICE, creates(['13 mons', 'soon', '15 mons']));
    expect(again.map(({ status }) => status)).toEqual(['applied', 'conflict', 'applied']);
  });
});
