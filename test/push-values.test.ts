import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { change, only, type PushFixture, pushFixture } from './support/push-fixture.js';
import { ALICE } from './support/push-tables.js';
import { createTableSql, owned } from './schema-fixtures.js';

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

/** Updates one column from a stored value (as SQL) by a value as JSON text. */
async function updated(column: string, before: string, json: string): Promise<unknown> {
  const id = randomUUID();
  const columns = column === 'must_doc' ? 'must_doc' : `must_doc, ${column}`;
  const values = column === 'must_doc' ? before : `'{}', ${before}`;
  await push.db.query(
    `INSERT INTO things (id, user_id, updated_at, ${columns}) VALUES ($1, $2, now() - interval '1 hour', ${values})`,
    [id, ALICE],
  );
  const result = await push.pushOne(ALICE, change('update', 'things', id, `{"${column}":${json}}`));
  return result.accepted ? stored(id, column) : result.reason_code;
}

async function stored(id: string, column: string): Promise<unknown> {
  const row = only(await push.db.query(`SELECT ${column}::text AS value FROM things WHERE id = $1`, [id]));
  return row['value'];
}

describe('a value that a device sends', () => {
  it.each([
    ['W-DATA-1: an integer of 64 bits', 'big', '9223372036854775807', '9223372036854775807'],
    [
      'W-DATA-1: a long numeric',
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
    ['W-DATA-2: an array as JSON text', 'words', '"[\\"a\\",null,\\"b,c\\"]"', '{a,NULL,"b,c"}'],
    ['W-DATA-2: an array as an array', 'words', '["a","}"]', '{a,"}"}'],
    ["W-DATA-2: an array in PostgreSQL's own form", 'words', '"{a,\\"b c\\"}"', '{a,"b c"}'],
    ["W-SCH-6: an empty array as SQLite's default", 'words', '"{}"', '{}'],
    ['an empty array as JSON text', 'words', '"[]"', '{}'],
    ['an array of integers of 64 bits', 'numbers', '"[9223372036854775807]"', '{9223372036854775807}'],
    ['an array of two dimensions', 'grid', '"[[1,2],[3,4]]"', '{{1,2},{3,4}}'],
    [
      'W-DATA-3: a document as JSON text',
      'doc',
      '"{\\"a\\": 12345678901234567890}"',
      '{"a": 12345678901234567890}',
    ],
    ['W-DATA-3: a document as a document', 'doc', '{"a":1.10}', '{"a": 1.10}'],
    ['W-DATA-3: a string that is no JSON', 'doc', '"abc"', '"abc"'],
    ['a document of type json', 'text_doc', '"{\\"b\\":1,\\"a\\":2}"', '{"b":1,"a":2}'],
    ["W-DATA-3: a null document where SQL's null is refused", 'must_doc', 'null', 'null'],
    ['W-DATA-4: bytes as base64', 'bytes', '"aGVsbG8="', '\\x68656c6c6f'],
    ['W-DATA-4: bytes as the server gave them', 'bytes', '"\\\\x68656C"', '\\x68656c'],
    ['bytes of nothing', 'bytes', '""', '\\x'],
    ["W-DATA-5: SQLite's time means UTC", 'at', '"2024-05-06 07:08:09"', '2024-05-06 07:08:09+00'],
    ['a time with an offset', 'at', '"2024-05-06T07:08:09.123456+02:00"', '2024-05-06 05:08:09.123456+00'],
    [
      'W-DATA-5: an offset in a column without zone',
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
    ['W-DATA-9: a number in a text column', 'body', '5.10', '5.10'],
    ['W-DATA-9: a boolean in a text column', 'body', 'true', 'true'],
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
    ['W-DATA-3: a string document without its quotes', 'doc', `'"123"'`, '"123"', '"123"'],
    ['W-DATA-3: an edited string document', 'doc', `'"123"'`, '"124"', '"124"'],
    ['W-DATA-3: a string document that becomes an object', 'doc', `'"x"'`, '"{\\"a\\":1}"', '{"a": 1}'],
    ['W-DATA-3: a boolean document as 1', 'doc', `'true'`, '1', 'true'],
    ['W-DATA-3: a boolean document that becomes false', 'doc', `'true'`, '0', 'false'],
    ['a number document', 'doc', `'1'`, '2', '2'],
    [
      'W-DATA-1: a numeric that no double holds, unchanged',
      'num',
      '12345678901234567.89',
      '1.2345678901234568E16',
      '12345678901234567.89',
    ],
    ['W-DATA-1: a numeric that no double holds, edited', 'num', '12345678901234567.89', '5.5', '5.5'],
    ["a document that SQL's null is refused for", 'must_doc', `'1'`, 'null', 'null'],
  ])('%s', async (_, column, before, json, expected) => {
    expect(await updated(column, before, json)).toBe(expected);
  });
});
