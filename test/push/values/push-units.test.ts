import { QueryFailedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { canonicalDecimal, integerText } from '../../../lib/engine/push/values/numbers.js';
import { recordId } from '../../../lib/engine/push/values/record-id.js';
import { sameValue } from '../../../lib/engine/push/values/same-value.js';
import { endsTransaction, sqlFailure } from '../../../lib/engine/push/sql/sqlstate.js';
import { parseJson } from '../../../lib/engine/push/values/json.js';
import type { Write } from '../../../lib/engine/push/writing/judge.js';
import { pushRank, writeGroups, rounds } from '../../../lib/engine/push/writing/write-groups.js';
import { SyncRegistry } from '../../../lib/registry/sync-registry.js';
import type { ContractColumn } from '../../../lib/schema/schema-contract.js';
import { readOnly } from '../../support/schema-fixtures.js';

function column(baseType: string): ContractColumn {
  return {
    name: 'c',
    dbType: baseType,
    baseSqlType: baseType,
    sqlType: baseType,
    logicalType: 'string',
    baseType,
    isArray: baseType.startsWith('_'),
    nullable: true,
    nullMeansDefault: false,
    defaultSql: null,
    defaultKind: 'none',
    sqliteDefaultSql: null,
    isPrimaryKey: false,
    generated: false,
  };
}

describe('what an SQLSTATE means', () => {
  it.each([
    ['22001', 'data'],
    ['22P02', 'data'],
    ['42703', 'data'],
    ['428C9', 'data'],
    ['23502', 'constraint'],
    ['23505', 'constraint'],
    ['23514', 'constraint'],
    ['23P01', 'constraint'],
    ['P0001', 'constraint'],
    ['54000', 'constraint'],
    ['23503', 'reference'],
    ['42501', 'forbidden'],
    ['40001', 'doubtful'],
    ['40P01', 'doubtful'],
    ['55000', 'doubtful'],
    ['55P03', 'doubtful'],
    ['57014', 'doubtful'],
    ['57P01', 'doubtful'],
    ['08006', 'doubtful'],
    ['53300', 'doubtful'],
    ['XX000', 'doubtful'],
    ['42P01', 'doubtful'],
  ])('%s: %s [W-PUSH-2]', (code, meaning) => {
    const error = Object.assign(new Error('from the server'), { code, severity: 'ERROR' });
    expect(sqlFailure(new QueryFailedError('SELECT', [], error))).toBe(meaning);
  });

  it('a lost connection is no verdict on a change [W-PUSH-2]', () => {
    expect(endsTransaction(new Error('Connection terminated unexpectedly'), true)).toBe(true);
    expect(endsTransaction(Object.assign(new Error('write'), { code: 'EPIPE' }), true)).toBe(true);
  });

  it.each(['40001', '40P01', '0A000', '42703'])('%s ends the transaction once [W-PUSH-2]', (code) => {
    const error = Object.assign(new Error('from the server'), { code, severity: 'ERROR' });
    expect([false, true].map((isRerun) => endsTransaction(error, isRerun))).toEqual([true, false]);
  });
});

describe('record ids', () => {
  it.each([
    ['uuid', 'AAAAAAAA-0000-4000-8000-00000000000B', 'aaaaaaaa-0000-4000-8000-00000000000b'],
    ['uuid', 'aaaaaaaa00004000800000000000000b', 'aaaaaaaa-0000-4000-8000-00000000000b'],
    ['uuid', '{AAAAAAAA-0000-4000-8000-00000000000B}', 'aaaaaaaa-0000-4000-8000-00000000000b'],
    ['uuid', '{aaaaaaaa-0000-4000-8000-00000000000b', null],
    ['uuid', 'aaaaaaaa-0000-4000-8000-00000000000b-', null],
    ['uuid', 'aaa-aaaaa-0000-4000-8000-00000000000b', null],
    ['int4', '007', '7'],
    ['int4', '2147483647', '2147483647'],
    ['int4', '2147483648', null],
    ['int8', '-9223372036854775808', '-9223372036854775808'],
    ['int8', '9223372036854775808', null],
    ['int8', '1.5', null],
    ['int8', `1e${'9'.repeat(9)}`, null],
    ['text', ' As It Is ', ' As It Is '],
    ['text', '', null],
    ['text', 'a\0', null],
    ['text', '\ud800', null],
    ['text', '😀', '😀'],
    ['bpchar', 'ab  ', 'ab'],
    ['text', null, null],
    ['text', {}, null],
  ])('%s %j is %j', (type, value, id) => {
    expect(recordId(column(type), value)).toBe(id);
  });
});

describe('numbers', () => {
  it.each([
    ['5', '5.0', true],
    ['0.5e1', '5', true],
    ['-0', '0', true],
    ['1e400', '10e399', true],
    ['9007199254740993', '9007199254740992', false],
    ['-5', '5', false],
  ])('%s and %s are the same: %s', (left, right, same) => {
    expect(canonicalDecimal(left) === canonicalDecimal(right)).toBe(same);
  });

  it.each([
    ['5.0', '5'],
    ['-1E2', '-100'],
    ['0.0', '0'],
    ['1.5', null],
    ['1e30', null],
    ['abc', null],
  ])('%s as an integer is %s', (text, integer) => {
    expect(integerText(text)).toBe(integer);
  });
});

describe('sent and stored values', () => {
  it.each([
    ['text', '"a"', '"a"', true],
    ['text', '"a"', '"A"', false],
    ['text', 'null', '"null"', false],
    ['text', 'null', 'null', true],
    ['uuid', '"ABCDEF00-0000-4000-8000-000000000000"', '"abcdef00-0000-4000-8000-000000000000"', true],
    ['int8', '9007199254740993', '9007199254740992', false],
    ['numeric', '5', '5.00', true],
    ['numeric', '0.1', '0.1000000000000000000000001', true],
    ['numeric', '0.10000000000000000000000002', '0.1000000000000000000000001', false],
    ['float8', '1.0E-5', '1.0e-05', true],
    ['bool', '1', 'true', true],
    ['bool', '0', 'true', false],
    ['timestamptz', '"2024-05-06T07:08:09Z"', '"2024-05-06T07:08:09+00:00"', true],
    ['timestamptz', '"2024-05-06T07:08:09.000001Z"', '"2024-05-06T07:08:09+00:00"', false],
    ['timestamp', '"2024-05-06 07:08:09"', '"2024-05-06T07:08:09"', true],
    ['bytea', '"aGVsbG8="', '"\\\\x68656c6c6f"', true],
    ['_text', '"[\\"a\\"]"', '["a"]', true],
    ['_text', '"{}"', '[]', true],
    ['_text', '"[\\"a\\"]"', '["b"]', false],
    ['jsonb', '"{\\"b\\":1,\\"a\\":2.0}"', '{"a":2,"b":1}', true],
    ['jsonb', '"{\\"a\\":1}"', '{"a":1,"b":null}', false],
    ['jsonb', '"abc"', '"abc"', true],
    ['jsonb', '1', 'true', true],
    ['jsonb', '"1"', '1', true],
  ])('%s: %s and %s are the same: %s', (type, sent, stored, same) => {
    expect(sameValue(column(type), parseJson(sent), parseJson(stored))).toBe(same);
  });
});

describe('write groups', () => {
  const tables = [
    readOnly('reactions', { parent: 'comments', depth: 2 }),
    readOnly('comments', { parent: 'tasks', depth: 1 }),
    // A cycle of dependencies, and one on a child: parents come first all the same.
    readOnly('tasks', { dependencies: ['comments', 'labels'] }),
    readOnly('labels', { dependencies: ['people'] }),
    readOnly('people', { dependencies: ['tasks'] }),
  ];
  const registry = new SyncRegistry(tables);
  const write = (
    name: string,
    kind: Write['kind'],
    index = 0,
    columns: readonly ContractColumn[] = [],
  ): Write => {
    const table = {
      table: registry.get(name),
      oid: 1,
      columns: [],
      virtualColumns: [],
      hasServerKeys: false,
      primaryKey: column('uuid'),
    };
    const ref = { id: 'x', table_name: name, operation: 'create' };
    return {
      item: {
        index,
        change: {
          ...ref,
          data: null,
          client_updated_at: null,
          base_updated_at: null,
        },
        ref,
        table,
        id: 'x',
        key: `${name} ${index}`,
        operation: 'create',
        data: null,
        unfitColumn: null,
        dataText: () => 'null',
        parentId: null,
        clientMicros: 0n,
        base: null,
      },
      kind,
      columns,
      granted: null,
      row: undefined,
    };
  };
  const ordered = (writes: readonly Write[]): readonly string[] =>
    writeGroups(writes, pushRank(registry)).map(([{ item, kind }]) => `${kind} ${item.ref.table_name}`);

  it('creates come parents first, deletes children first, updates between [W-PUSH-14]', () => {
    const names = ['reactions', 'comments', 'tasks'];
    expect(
      ordered(
        (['delete', 'update', 'insert'] as const).flatMap((kind) => names.map((name) => write(name, kind))),
      ),
    ).toEqual([
      'insert tasks',
      'insert comments',
      'insert reactions',
      'update tasks',
      'update comments',
      'update reactions',
      'delete reactions',
      'delete comments',
      'delete tasks',
    ]);
  });

  it('tables come after those that they depend on, as far as they can', () => {
    expect(
      ordered([write('comments', 'insert'), write('labels', 'insert'), write('people', 'insert')]),
    ).toEqual(['insert people', 'insert labels', 'insert comments']);
  });

  it('writes of one table, kind and column set are one group, in their order', () => {
    const mixed = [
      write('tasks', 'update', 0),
      write('tasks', 'update', 1, [column('text')]),
      write('tasks', 'update', 2),
    ];
    expect(
      writeGroups(mixed, pushRank(registry)).map((group) => group.map(({ item }) => item.index)),
    ).toEqual([[0, 2], [1]]);
  });

  it('the n-th change of a record is in the n-th round [interleaving 15]', () => {
    const items = [0, 1, 0, 0, 1, 2].map((index) => write('tasks', 'update', index).item);
    expect(rounds(items).map((round) => round.map(({ index }) => index))).toEqual([[0, 1, 2], [0, 1], [0]]);
  });
});
