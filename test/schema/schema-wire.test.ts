import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { knowsSchema } from '../../lib/schema/schema-gate.js';
import type { ContractColumn, ContractTable } from '../../lib/schema/schema-contract.js';
import { contractHash, metaTablesJson, schemaTablesJson } from '../../lib/schema/wire-json.js';
import { owned, readOnly } from '../support/schema-fixtures.js';

const id: ContractColumn = {
  name: 'id',
  dbType: 'uuid',
  baseSqlType: 'uuid',
  sqlType: 'uuid',
  logicalType: 'string',
  baseType: 'uuid',
  isArray: false,
  nullable: false,
  nullMeansDefault: true,
  defaultSql: 'gen_random_uuid()',
  defaultKind: 'server_only',
  sqliteDefaultSql: null,
  isPrimaryKey: true,
  generated: false,
};
const title: ContractColumn = {
  ...id,
  name: 'title',
  dbType: 'text',
  baseSqlType: 'text',
  nullable: true,
  defaultSql: "'<a> & b\u2028'::text",
  defaultKind: 'portable',
  sqliteDefaultSql: "'<a> & b\u2028'",
  isPrimaryKey: false,
};

const tables: readonly ContractTable[] = [
  {
    table: owned('zebras', {
      parent: 'apples',
      parentFkColumn: 'apple_id',
      dependencies: ['b', 'a', 'Z'],
      globalWhenBucketNull: true,
      allowGlobalRead: true,
    }),
    oid: 2,
    columns: [id],
    virtualColumns: [],
    hasServerKeys: false,
    primaryKey: id,
  },
  {
    table: readOnly('apples', { bucketPrefix: '' }),
    oid: 1,
    columns: [id, title],
    virtualColumns: [],
    hasServerKeys: false,
    primaryKey: id,
  },
];

const APPLES =
  '{"table_name":"apples","push_policy":"disabled","updated_at_column":"updated_at","deleted_at_column":"deleted_at","primary_key":["id"],"columns":[{"name":"id","db_type":"uuid","logical_type":"string","nullable":false,"default_sql":"gen_random_uuid()","default_kind":"server_only","is_primary_key":true},{"name":"title","db_type":"text","logical_type":"string","nullable":true,"default_sql":"\'\\u003ca\\u003e \\u0026 b\\u2028\'::text","default_kind":"portable","sqlite_default_sql":"\'\\u003ca\\u003e \\u0026 b\\u2028\'","is_primary_key":false}]}';
const ZEBRAS =
  '{"table_name":"zebras","push_policy":"owner_only","parent_table":"apples","parent_fk_col":"apple_id","dependencies":["Z","a","b"],"updated_at_column":"updated_at","deleted_at_column":"deleted_at","primary_key":["id"],"bucket_by_column":"user_id","bucket_prefix":"user:","global_when_bucket_null":true,"allow_global_read":true,"columns":[{"name":"id","db_type":"uuid","logical_type":"string","nullable":false,"default_sql":"gen_random_uuid()","default_kind":"server_only","is_primary_key":true}]}';

describe('the tables of GET /sync/schema', () => {
  it("have the reference's keys, order and escapes, sorted by name", () => {
    expect(schemaTablesJson(tables)).toBe(`[${APPLES},${ZEBRAS}]`);
    expect(schemaTablesJson(tables.toReversed())).toBe(`[${APPLES},${ZEBRAS}]`);
  });

  it('give the hash that the reference gives', () => {
    const expected = createHash('sha256').update(`{"tables":[${APPLES},${ZEBRAS}]}`).digest('hex');
    expect(contractHash(schemaTablesJson(tables))).toBe(expected);
  });
});

it('the tables of GET /sync/tables always have dependencies', () => {
  expect(metaTablesJson(tables)).toBe(
    '[{"table_name":"apples","push_policy":"disabled","dependencies":[],"updated_at_column":"updated_at","deleted_at_column":"deleted_at"},' +
      '{"table_name":"zebras","push_policy":"owner_only","dependencies":["Z","a","b"],"parent_table":"apples","parent_fk_col":"apple_id","updated_at_column":"updated_at","deleted_at_column":"deleted_at","bucket_by_column":"user_id","bucket_prefix":"user:","global_when_bucket_null":true,"allow_global_read":true}]',
  );
});

describe('[scenario 103] the schema gate', () => {
  const current = { version: 7n, hash: 'abc' };
  it.each([
    ['bootstrap where it is allowed', 0n, '', true, true],
    ['bootstrap where it is not', 0n, '', false, false],
    ['an exact match', 7n, 'abc', false, true],
    ['a missing hash', 7n, '', true, false],
    ['a missing version', 0n, 'abc', true, false],
    ['another version', 6n, 'abc', true, false],
    ['another hash', 7n, 'abd', true, false],
  ])('%s', (_, version, hash, bootstrap, expected) => {
    expect(knowsSchema(current, { version, hash }, { bootstrap })).toBe(expected);
  });
});
