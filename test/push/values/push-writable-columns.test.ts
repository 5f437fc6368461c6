import { describe, expect, it } from 'vitest';
import { createColumns, updateColumns } from '../../../lib/engine/push/values/writable-columns.js';
import type { SyncTable } from '../../../lib/registry/sync-table.js';
import type { ContractColumn, ContractTable } from '../../../lib/schema/schema-contract.js';
import { owned } from '../../support/schema-fixtures.js';

const TIMES = ['created_at', 'updated_at', 'deleted_at'];
const ALL = ['id', 'user_id', 'order_id', 'title', 'note', 'secret', ...TIMES];

function column(name: string): ContractColumn {
  return {
    name,
    dbType: 'text',
    baseSqlType: 'text',
    sqlType: 'text',
    logicalType: 'string',
    baseType: 'text',
    isArray: false,
    nullable: true,
    nullMeansDefault: false,
    defaultSql: null,
    defaultKind: 'none',
    sqliteDefaultSql: null,
    isPrimaryKey: name === 'id',
    generated: false,
  };
}

function contract(overrides: Partial<SyncTable> = {}, extra: readonly string[] = []): ContractTable {
  const table = owned('rows', {
    protectedColumns: new Set(['id', 'user_id', ...TIMES, ...extra]),
    ...overrides,
  });
  return {
    table,
    oid: 1,
    columns: ALL.map(column),
    virtualColumns: [],
    hasServerKeys: false,
    primaryKey: column('id'),
  };
}

const child = contract({ parent: 'orders', parentFkColumn: 'order_id' }, ['order_id']);

/** The columns that a client's values go to, of those that it sends; key and owner are the server's to set. */
function names(columns: readonly ContractColumn[]): readonly string[] {
  return columns.map(({ name }) => name);
}
const sent = (keys: readonly string[]): ReadonlyMap<string, unknown> =>
  new Map(keys.map((key) => [key, 'x']));

describe('of what a client sends, a create takes', () => {
  it('[scenarios 19, 22] all but key, owner and times, which the server sets', () => {
    expect(names(createColumns(contract(), sent(ALL)))).toEqual(['order_id', 'title', 'note', 'secret']);
  });

  it("[scenario 23] the parent's key, and no update time", () => {
    expect(names(createColumns(child, sent(['order_id', 'title', 'updated_at'])))).toEqual([
      'order_id',
      'title',
    ]);
  });

  it('[scenario 24] none that the host protects', () => {
    expect(names(createColumns(contract({}, ['secret']), sent(['title', 'secret'])))).toEqual(['title']);
  });

  it('[scenario 28] nothing of nothing', () => {
    expect(createColumns(contract(), sent([]))).toEqual([]);
  });
});

describe('of what a client sends, an update takes', () => {
  it('[scenarios 20, 25] business columns only', () => {
    expect(names(updateColumns(contract({}, ['secret']), sent(ALL)))).toEqual(['order_id', 'title', 'note']);
  });

  it("[scenario 26] not the parent's key", () => {
    expect(names(updateColumns(child, sent(['order_id', 'title'])))).toEqual(['title']);
  });

  it('[scenario 27] nothing of protected columns', () => {
    expect(updateColumns(child, sent(['id', 'user_id', 'order_id', ...TIMES]))).toEqual([]);
  });
});

it('unknown columns are taken by neither [W-PUSH-20]', () => {
  const data = sent(['nonsense', 'title']);
  expect([names(createColumns(contract(), data)), names(updateColumns(contract(), data))]).toEqual([
    ['title'],
    ['title'],
  ]);
});
