import { assert, constantFrom, nat, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DefaultTarget, portableDefault } from '../../lib/schema/defaults/default-portability.js';
import type { LogicalType } from '../../lib/schema/schema-contract.js';

const scalar = (logicalType: LogicalType): DefaultTarget => ({
  logicalType,
  isArray: false,
  delimiter: ',',
  elementLogicalType: null,
});
const array = (elementLogicalType: LogicalType | null): DefaultTarget => ({
  logicalType: 'json',
  isArray: true,
  delimiter: ',',
  elementLogicalType,
});

describe('[scenario 105] a default that SQLite can compute', () => {
  it.each([
    // The reference's own examples (docs/protocol.md#defaults).
    ["''::text", scalar('string'), "''"],
    ["'pending'::order_status", scalar('string'), "'pending'"],
    ['(true)::boolean', scalar('boolean'), '1'],
    ['false', scalar('boolean'), '0'],
    ['NULL::character varying', scalar('string'), 'NULL'],
    ['0', scalar('int'), '0'],
    ["'-1'::integer", scalar('int'), "'-1'"],
    ['1.50', scalar('float'), '1.50'],
    ["'1e-07'::double precision", scalar('float'), "'1e-07'"],
    ["'it''s'::character varying", scalar('string'), "'it''s'"],
    ["'{}'::jsonb", scalar('json'), "'{}'"],
    ['\'{"a": 1}\'::jsonb', scalar('json'), '\'{"a": 1}\''],
    ['now()', scalar('datetime'), 'CURRENT_TIMESTAMP'],
    ['CURRENT_TIMESTAMP', scalar('datetime'), 'CURRENT_TIMESTAMP'],
    ['transaction_timestamp()', scalar('datetime'), 'CURRENT_TIMESTAMP'],
    ['statement_timestamp()', scalar('datetime'), 'CURRENT_TIMESTAMP'],
    ['CURRENT_DATE', scalar('date'), 'CURRENT_DATE'],
    ['CURRENT_TIME', scalar('time'), 'CURRENT_TIME'],
    ["'2024-02-29'::date", scalar('date'), "'2024-02-29'"],
    ["'2024-02-29 10:00:00+00'::timestamp with time zone", scalar('datetime'), "'2024-02-29 10:00:00+00'"],
    ["'1 day'::interval", scalar('string'), "'1 day'"],
    ["'\\x01'::bytea", scalar('bytes'), "'\\x01'"],
    // W-SCH-8: casts with type modifiers.
    ['(0)::numeric(10,2)', scalar('float'), '0'],
    ["'0'::numeric(10,2)", scalar('float'), "'0'"],
    ["'new'::character varying(20)", scalar('string'), "'new'"],
    ["('new'::character varying)::character varying(20)", scalar('string'), "'new'"],
    ['\'new\'::public."Order Status"', scalar('string'), "'new'"],
    ['(now())::timestamp(3) without time zone', scalar('datetime'), 'CURRENT_TIMESTAMP'],
    ['(now())::date', scalar('date'), 'CURRENT_DATE'],
    ['now()', scalar('date'), 'CURRENT_DATE'],
    ["('2024-02-29'::text)::date", scalar('date'), "'2024-02-29'"],
    ['(5)::text', scalar('string'), "'5'"],
    ['1.50', scalar('string'), "'1.50'"],
    ['true', scalar('string'), "'true'"],
    ['(1)::boolean', scalar('boolean'), '1'],
    // W-SCH-6: array literals become the JSON text that clients keep of an array.
    ["'{}'::text[]", array('string'), "'[]'"],
    ["'{}'::character varying(20)[]", array('string'), "'[]'"],
    ["'{}'::posint[]", array(null), "'[]'"],
    ['\'{a,"b c",NULL,"NULL","q\\""}\'::text[]', array('string'), '\'["a","b c",null,"NULL","q\\""]\''],
    ["'{{1,2},{3,4}}'::integer[]", array('int'), "'[[1,2],[3,4]]'"],
    ["'{t,f}'::boolean[]", array('boolean'), "'[true,false]'"],
    ['ARRAY[]::text[]', array('string'), "'[]'"],
    [
      "(ARRAY['a'::character varying, 'it''s'::character varying])::text[]",
      array('string'),
      `'["a","it''s"]'`,
    ],
    ['ARRAY[1, 2]', array('int64'), "'[1,2]'"],
  ])('%s', (sql, target, expected) => {
    expect(portableDefault(sql, target)).toEqual({ kind: 'portable', sqliteDefaultSql: expected });
  });
});

describe('[scenario 105] a default that only the server can compute', () => {
  it.each([
    ['gen_random_uuid()', scalar('string')],
    ["nextval('tasks_id_seq'::regclass)", scalar('int')],
    ["(now() + '30 days'::interval)", scalar('datetime')],
    ["timezone('utc'::text, now())", scalar('datetime')],
    ["(now() AT TIME ZONE 'utc'::text)", scalar('datetime')],
    ['clock_timestamp()', scalar('datetime')],
    ['LOCALTIMESTAMP', scalar('datetime')],
    ['CURRENT_TIMESTAMP(3)', scalar('datetime')],
    ['CURRENT_USER', scalar('string')],
    // W-SCH-8: evaluated when a row is inserted, although it looks like a literal.
    ["('now'::text)::date", scalar('date')],
    ["'now'::text::date", scalar('date')],
    ["('now'::text)::date", scalar('string')],
    ["('today'::text)::timestamp without time zone", scalar('datetime')],
    ["('01/02/2024'::text)::date", scalar('date')],
    // The cast would change the value.
    ['(1.55)::numeric(10,1)', scalar('float')],
    ['(1.7)::integer', scalar('int')],
    ["('abcdef'::character varying)::character varying(3)", scalar('string')],
    ["'2024-01-01 00:00:00.9'::timestamp(0) without time zone", scalar('datetime')],
    ['(5)::money', scalar('string')],
    ["('t'::text)::boolean", scalar('boolean')],
    // No SDK could parse it (W-DATA-7).
    ["'infinity'::timestamp with time zone", scalar('datetime')],
    ["'[0:1]={1,2}'::integer[]", array('int')],
    ['\'{"(1,2)"}\'::pair[]', array(null)],
    ["('a'::text || 'b'::text)", scalar('string')],
    ["'a'::text) || ('b'::text", scalar('string')],
    ['B\'101\'::"bit"', scalar('string')],
  ])('%s', (sql, target) => {
    expect(portableDefault(sql, target)).toEqual({ kind: 'server_only', sqliteDefaultSql: null });
  });
});

it.each([null, '', '   '])('is none for %j', (sql) => {
  expect(portableDefault(sql, scalar('string'))).toEqual({ kind: 'none', sqliteDefaultSql: null });
});

/** What expressions are made of. */
const SYNTAX = '\' " ( ) [ ] { } : , . \\ a 1 - E now'.split(' ');

describe('any text', () => {
  it('travels as a literal through casts and parentheses', () => {
    assert(
      property(string({ unit: 'grapheme' }), nat(3), (text, depth) => {
        const literal = `'${text.replaceAll("'", "''")}'`;
        const sql = Array.from({ length: depth }).reduce<string>(
          (inner) => `(${inner})::character varying`,
          `${literal}::text`,
        );
        expect(portableDefault(sql, scalar('string')).sqliteDefaultSql).toBe(literal);
      }),
    );
  });

  it('as a default never gives more than one SQLite literal', () => {
    assert(
      property(string({ unit: constantFrom(...SYNTAX) }), (sql) => {
        const { sqliteDefaultSql } = portableDefault(sql, scalar('string'));
        expect(sqliteDefaultSql ?? "''").toMatch(/^(?:'(?:[^']|'')*'|NULL|CURRENT_DATE|[+-]?\d+)$/);
      }),
      { numRuns: 2_000 },
    );
  });
});
