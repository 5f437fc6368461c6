import { afterAll, beforeAll, expect, it } from 'vitest';
import { parsePgArray } from '../../../lib/database/pg-array-literal.js';
import { readOnly, type SchemaFixture, schemaFixture } from '../../support/schema-fixtures.js';

let fixture: SchemaFixture;

beforeAll(async () => {
  fixture = await schemaFixture();
  await fixture.db.query(`
    CREATE DOMAIN corner AS box;
    CREATE TYPE pair AS (a int, b text);
    CREATE TYPE mood AS ENUM ('sad', 'so so', 'a,b')`);
});

afterAll(() => fixture.close());

it.each([
  ['box[]', `'{(1,1),(0,0);(3,3),(2,2)}'`, true],
  ['box[]', `'{NULL;(3,3),(2,2)}'`, true],
  ['box[]', `'{{(1,1),(0,0)};{(3,3),(2,2)}}'`, true],
  ['box[]', `'{}'`, true],
  ['box[]', `ARRAY['(1,1),(0,0)'::box, NULL]`, true],
  ['box[]', `'[0:0]={(1,1),(0,0)}'`, false],
  ['point[]', `'{"(1,2)","(3,4)"}'`, true],
  ['text[]', `'{"a,b","c\\"d","e\\\\f",NULL,"NULL","","{x}","a;b"}'`, true],
  ['text[]', `'{{a,b},{"c d","}"}}'`, true],
  ['text[]', `'{{{a}},{{b}}}'`, true],
  ['text[]', `'[0:1]={a,b}'`, false],
  ['mood[]', `'{sad,"so so","a,b",NULL}'`, true],
  ['int4range[]', `'{"[1,3)","[5,7)"}'`, true],
  ['pair[]', `'{"(1,x)","(2,\\"y,z\\")"}'`, false],
  ['pair[]', `ARRAY[(1, 'x')::pair]`, false],
  ['corner[]', `'{(1,1),(0,0);(3,3),(2,2)}'`, false],
  ['boolean[]', `'{t,f,NULL}'`, true],
  ['bigint[]', `'{{9007199254740993},{-1}}'`, true],
])(
  'devices have the default of %s %s as the rows have it, or leave it to the server: %s [W-HOST-26]',
  async (type, sql, portable) => {
    await fixture.db.query(`
    DROP TABLE IF EXISTS lists;
    CREATE TABLE lists (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), updated_at timestamptz NOT NULL DEFAULT now(),
      deleted_at timestamptz, list ${type} DEFAULT ${sql});
    INSERT INTO lists DEFAULT VALUES`);
    const { tables } = await fixture.service(readOnly('lists')).current();
    const column = tables.get('lists')?.columns.find(({ name }) => name === 'list');
    expect(column?.defaultKind).toBe(portable ? 'portable' : 'server_only');
    if (!portable) return;
    const [row] = await fixture.db.query<{ same: boolean }>(
      `SELECT to_json(list)::jsonb = (${column?.sqliteDefaultSql ?? 'NULL'})::jsonb AS same FROM lists`,
    );
    expect(row?.same).toBe(true);
  },
);

it('an array of boxes is read by its own delimiter, in any depth [W-HOST-26]', () => {
  expect(parsePgArray('{{(1,1),(0,0);NULL};{"(3,3),(2,2)";(5,5),(4,4)}}', ';')).toEqual([
    ['(1,1),(0,0)', null],
    ['(3,3),(2,2)', '(5,5),(4,4)'],
  ]);
  expect(parsePgArray('{a;b}')).toEqual(['a;b']);
});
