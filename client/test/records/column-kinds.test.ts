import { expect, it } from 'vitest';
import { tableSchema } from '../../src/records/columns.js';
import { SCHEMA } from '../support/store-samples.js';

it.each([
  ['double precision', 'float', 'number'],
  ['real', 'float', 'number'],
  ['numeric(10,2)', 'float', 'exact'],
  // A domain, over numeric perhaps: a number could lose digits.
  ['price', 'float', 'exact'],
  ['bigint', 'int64', 'exact'],
  ['bigint[]', 'json', 'exact-array'],
  ['integer[]', 'json', 'array'],
  ['timestamp without time zone', 'datetime', 'local-time'],
])('a column of type %s has values of the kind that keeps them', (db_type, logical_type, kind) => {
  const [table] = SCHEMA.tables;
  if (!table) throw new Error('the suite has no table');
  const column = { name: 'x', db_type, logical_type, nullable: true, default_kind: 'none' };
  expect(tableSchema({ ...table, columns: [column] }).columns.get('x')?.kind).toBe(kind);
});
