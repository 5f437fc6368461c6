import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inTransaction } from '../../lib/database/session.js';
import { rowColumnsSql, timestampEnvelopeSql } from '../../lib/schema/row-json.js';
import { parseAsSdk } from '../properties/strict-json.js';
import { createTableSql, readOnly, type SchemaFixture, schemaFixture } from '../support/schema-fixtures.js';

let fixture: SchemaFixture;

beforeAll(async () => {
  fixture = await schemaFixture();
  await fixture.db.query('CREATE DOMAIN amount AS numeric');
  await fixture.db.query('CREATE DOMAIN document AS jsonb');
});

afterAll(() => fixture.close());

let tables = 0;

/** The wire's form of one value: the JSON text of the column. */
async function wireValue(type: string, literal: string | null): Promise<string> {
  const name = `t${tables++}`;
  await fixture.db.query(createTableSql(name, `"V'a""l" ${type}`));
  await fixture.db.query(
    `INSERT INTO ${name} ("V'a""l") VALUES (${literal === null ? 'NULL' : `$lit$${literal}$lit$`})`,
  );
  const contract = await fixture.service(readOnly(name, { syncColumns: [`V'a"l`] })).current();
  const table = contract.tables.get(name);
  if (!table) throw new Error('no such table');
  const rows = await inTransaction(fixture.dataSource, 'read', (manager) =>
    manager.query<{ value: string }[]>(
      `SELECT (row_to_json(d)->'V''a"l')::text AS value, row_to_json(d)::text AS data
       FROM (SELECT ${rowColumnsSql(table, 't')} FROM ${table.table.sql} t) d`,
    ),
  );
  return rows[0]?.value ?? '';
}

describe('[scenarios 77, 78] a value on the wire, under a name with quotes,', () => {
  it.each([
    ['text', 'a "b"', '"a \\"b\\""'],
    ['uuid', '00000000-0000-4000-8000-00000000000A', '"00000000-0000-4000-8000-00000000000a"'],
    ['bigint', '9223372036854775807', '9223372036854775807'],
    ['numeric(10,2)', '5', '5.00'],
    ['boolean', 't', 'true'],
    ['jsonb', '{"a": [1, "x"]}', '{"a": [1, "x"]}'],
    ['jsonb', 'null', 'null'],
    ['json', '{"a" :1}', '{"a" :1}'],
    ['text[]', '{a,NULL}', '["a",null]'],
    ['int[]', '{{1,2},{3,4}}', '[[1,2],[3,4]]'],
    ['bytea', '\\x0aff', '"\\\\x0aff"'],
    ['date', '2024-02-29', '"2024-02-29"'],
    ['time', '10:00:00.5', '"10:00:00.5"'],
    ['timetz', '10:00:00+02', '"10:00:00+02"'],
    ['timestamp', '2024-02-29 10:00:00.123456', '"2024-02-29T10:00:00.123456"'],
    ['timestamptz', '2024-02-29 10:00:00+02', '"2024-02-29T08:00:00+00:00"'],
    ['interval', '1 day 02:00', '"1 day 02:00:00"'],
    ['inet', '10.0.0.1', '"10.0.0.1"'],
    ['float8', '0.1', '0.1'],
    ['float8', '5', '5'],
  ])('%s %s', async (type, literal, expected) => {
    await expect(wireValue(type, literal)).resolves.toBe(expected);
  });

  it.each(['float8', 'numeric', 'jsonb', 'json', 'float8[]', 'text'])('%s null', async (type) => {
    await expect(wireValue(type, null)).resolves.toBe('null');
  });
});

describe('a number that Kotlin could not read', () => {
  it.each([
    ['float8', '1e-07', '1.0e-07'],
    ['float8', '-1e+20', '-1.0e+20'],
    ['float8', '1.5e-07', '1.5e-07'],
    ['float4', '1e+10', '1.0e+10'],
    ['float8', 'NaN', '"NaN"'],
    ['float8', '-Infinity', '"-Infinity"'],
    ['numeric', '9223372036854775807', '9223372036854775807'],
    ['numeric', '9223372036854775808', '9223372036854775808.0'],
    ['numeric', '-9223372036854775808', '-9223372036854775808'],
    ['numeric', '-9223372036854775809', '-9223372036854775809.0'],
    ['numeric', '100000000000000000000.50', '100000000000000000000.50'],
    ['numeric(30,0)', '100000000000000000000', '100000000000000000000.0'],
    ['numeric', 'NaN', '"NaN"'],
    ['numeric', 'Infinity', '"Infinity"'],
    [
      'jsonb',
      '{"a": 1e20, "b": [-1e30, 9223372036854775807], "c": 1e-7}',
      '{"a": 100000000000000000000.0, "b": [-1000000000000000000000000000000.0, 9223372036854775807], "c": 0.0000001}',
    ],
    ['jsonb', '"100000000000000000000"', '"100000000000000000000"'],
    [
      'jsonb',
      '{"100000000000000000000": "\\"100000000000000000000\\" 1e5"}',
      '{"100000000000000000000": "\\"100000000000000000000\\" 1e5"}',
    ],
    ['jsonb', '100000000000000000000', '100000000000000000000.0'],
    [
      'json',
      '{"a": 1e-07, "b":"1e-07", "c":[2E+30,3.5e+3]}',
      '{"a": 1.0e-07, "b":"1e-07", "c":[2.0e+30,3.5e+3]}',
    ],
    // Doubles end at 1.8e308: Swift would refuse the answer, and Kotlin send an infinity back.
    ['numeric', '1e400', `${BigInt(Number.MAX_VALUE).toString().slice(0, 17)}${'0'.repeat(292)}.0`],
    ['numeric', '-1e400', `-${BigInt(Number.MAX_VALUE).toString().slice(0, 17)}${'0'.repeat(292)}.0`],
    ['numeric', '1.5e308', `15${'0'.repeat(307)}.0`],
    ['json', '[1e400, -1.5E+0400, 10e-400]', '["1e400", "-1.5E+0400", 10.0e-400]'],
    ['jsonb', '{"a": 1e400}', `{"a": "1${'0'.repeat(400)}"}`],
    ['json', '1e99999999', '"1e99999999"'],
    ['json', '[ 100000000000000000000 ]', '[ 100000000000000000000.0 ]'],
    ['float8[]', '{1e-07,NULL,NaN,5}', '[1.0e-07,null,"NaN",5]'],
    ['numeric[]', '{100000000000000000000}', '[100000000000000000000.0]'],
    ['amount[]', '{100000000000000000000}', '[100000000000000000000.0]'],
    ['document[]', '{"[100000000000000000000]"}', '[[100000000000000000000.0]]'],
    ['jsonb[]', '{"{\\"a\\": 1e20}"}', '[{"a": 100000000000000000000.0}]'],
  ])('%s %s [W-DATA-6]', async (type, literal, expected) => {
    await expect(wireValue(type, literal)).resolves.toBe(expected);
  });
});

describe('half of a surrogate pair, which Swift could not read,', () => {
  it.each([
    ['json', String.raw`"\ud800"`, String.raw`"\ufffd"`],
    ['json', String.raw`{"\uDFFF": ["a\uD83Db", 1e20]}`, String.raw`{"\ufffd": ["a\ufffdb", 1.0e20]}`],
    ['json', String.raw`"\ud83d\ud83d\ude00\ude00"`, String.raw`"\ufffd\ud83d\ude00\ufffd"`],
    [
      'json',
      String.raw`"\\ud800 \\\ud800 \u00e9\ud7ff\ue000"`,
      String.raw`"\\ud800 \\\ufffd \u00e9\ud7ff\ue000"`,
    ],
    ['json[]', String.raw`{"\"\\ud800\""}`, String.raw`["\ufffd"]`],
  ])('%s %s', async (type, literal, expected) => {
    const value = await wireValue(type, literal);
    expect(value).toBe(expected);
    expect(() => parseAsSdk(value)).not.toThrow();
  });

  it.each([
    ['a whole pair', String.raw`"\ud83d\ude00"`],
    ['none', String.raw`{"a" : "\\ud800"}`],
  ])('is not %s', async (_, literal) => {
    await expect(wireValue('json', literal)).resolves.toBe(literal);
  });
});

describe('an envelope timestamp', () => {
  it.each([
    ['timestamptz', '2024-02-29 10:00:00+02', '2024-02-29T08:00:00Z'],
    ['timestamptz', '2024-02-29 10:00:00.123456+00', '2024-02-29T10:00:00.123456Z'],
    ['timestamptz', '2024-02-29 10:00:00.120000+00', '2024-02-29T10:00:00.12Z'],
    ['timestamptz', '2020-10-10 00:00:00+00', '2020-10-10T00:00:00Z'],
    ['timestamp', '2024-02-29 10:00:00.5', '2024-02-29T10:00:00.5Z'],
    // W-DATA-7.
    ['timestamptz', 'infinity', '9999-12-31T23:59:59.999999Z'],
    ['timestamp', '-infinity', '0001-01-01T00:00:00Z'],
    ['timestamptz', '0044-03-15 00:00:00+00 BC', '0001-01-01T00:00:00Z'],
    ['timestamptz', '12024-01-01 00:00:00+00', '9999-12-31T23:59:59.999999Z'],
    ['date', '2024-02-29', '2024-02-29T00:00:00Z'],
    ['date', '-infinity', '0001-01-01T00:00:00Z'],
    ['timestamptz', null, null],
  ])('%s %s [W-DATA-7]', async (type, literal, expected) => {
    const rows = await inTransaction(fixture.dataSource, 'read', (manager) =>
      manager.query<{ at: string | null }[]>(`SELECT ${timestampEnvelopeSql(`$1::${type}`)} AS at`, [
        literal,
      ]),
    );
    expect(rows[0]?.at).toBe(expected);
  });
});
