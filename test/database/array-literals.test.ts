import { afterAll, beforeAll, expect, it } from 'vitest';
import { parsePgArray, writePgArray } from '../../lib/database/pg-array-literal.js';
import { createDatabase, type TestDatabase } from '../support/database.js';

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});

afterAll(() => database.drop());

it.each([
  [[]],
  [['']],
  [[null]],
  [['a', 'b']],
  [['user:1', null, 'user:2']],
  [['NULL', 'null', ' ', ' a ', '{}', '{', 'a,b', ',']],
  [['"', '\\', '\\"', 'a"b\\c', '"a"', '\\\\']],
  [['\n', '\t', '\r', '\u00e4\u{1f600}', "'", '$1']],
] as (string | null)[][][])('PostgreSQL reads back the array %j', async (elements) => {
  const text = writePgArray(elements);
  const [row] = await database.query<{ elements: unknown; text: string }>(
    'SELECT to_json($1::text[]) AS elements, $1::text[]::text AS text',
    [text],
  );
  expect(row?.elements).toEqual(elements);
  expect(parsePgArray(text)).toEqual(elements);
  expect(parsePgArray(row?.text ?? '')).toEqual(elements);
});
