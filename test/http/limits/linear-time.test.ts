import { expect, it } from 'vitest';
import { describeError } from '../../../lib/common/describe-error.js';
import { parseLossless } from '../../../lib/common/json/lossless-json.js';
import { printable } from '../../../lib/common/printable.js';
import { checkChange } from '../../../lib/engine/push/check-change.js';
import { columnJson } from '../../../lib/engine/push/values/client-values.js';
import { plainValue } from '../../../lib/engine/push/values/plain-value.js';
import { sameValue } from '../../../lib/engine/push/values/same-value.js';
import { decodeCursor } from '../../../lib/engine/snapshot/snapshot-cursor.js';
import { checkVersion } from '../../../lib/engine/request/version-gate.js';
import { PullBody, PushBody, RegisterBody, SnapshotBody } from '../../../lib/http/bodies/request-bodies.js';
import { readBody } from '../../../lib/http/bodies/request-body.js';
import type { ContractColumn, ContractTable, SchemaContract } from '../../../lib/schema/schema-contract.js';
import { readSettings } from '../../../lib/settings/synchro.settings.js';
import { owned } from '../../support/schema-fixtures.js';
import { cpuMillis } from '../../support/cpu-time.js';

/**
 * Each text that anybody can send, in the shapes at which patterns and conversions take a time that grows with the
 * square of the length. Two lengths are compared by the CPU time of this process: eight times as much text may take
 * eight times as long, with a wide margin, where a square would take sixty-four times.
 */
const SMALL = 10_000;
const FACTOR = 8;
const MARGIN = 4;
/** Below it, noise decides: a square of 80,000 takes seconds. */
const FLOOR_MS = 300;

const SHAPES: Readonly<Record<string, (length: number) => string>> = {
  'a number of zeros within': (length) => `1${'0'.repeat(length)}1`,
  'a number of digits': (length) => '7'.repeat(length),
  'zeros that end in a letter': (length) => `${'0'.repeat(length)}x`,
  'an exponent of zeros that ends in a letter': (length) => `1e${'0'.repeat(length)}x`,
  'an exponent of zeros': (length) => `1e-${'0'.repeat(length)}1`,
  'a fraction of zeros': (length) => `0.${'0'.repeat(length)}1`,
  'many exponents': (length) => '1e9 '.repeat(length / 4),
  'letters of exponents': (length) => 'e'.repeat(length),
  'space before the end': (length) => `a${' '.repeat(length)}b`,
  'space after a time': (length) => `2026-01-01${' '.repeat(length)}x`,
  'a zone without an end': (length) => `2026-01-01 00:00:00+${'00'.repeat(length / 2)}x`,
  'base64 that is none at its end': (length) => `${'AAAA'.repeat(length / 4)}A==`,
  base64: (length) => 'AAAA'.repeat(length / 4),
  'signs of padding': (length) => `${'='.repeat(length)}A`,
  brackets: (length) => '['.repeat(length),
  'nested arrays': (length) => `${'['.repeat(length / 2)}${']'.repeat(length / 2)}`,
  'nested objects': (length) => `${'{"a":'.repeat(length / 6)}1${'}'.repeat(length / 6)}`,
  'arrays of arrays, as PostgreSQL writes them': (length) => `{${'{'.repeat(length)}`,
  'a list of numbers': (length) => `[${'5.00,'.repeat(length / 5)}0]`,
  'a list of nothing': (length) => `[${'"",'.repeat(length / 3)}0]`,
  quotes: (length) => '"'.repeat(length),
  backslashes: (length) => String.raw`"${'\\'.repeat(length)}`,
  'escaped quotes': (length) => JSON.stringify('"\\'.repeat(length / 4)),
  'hyphens and digits': (length) => '-1'.repeat(length / 2),
  'half characters': (length) => '\ud800'.repeat(length),
  'dots and digits': (length) => '1.'.repeat(length / 2),
  'addresses without an end': (length) => 'a://b:'.repeat(length / 6),
  'passwords without a value': (length) => 'password '.repeat(length / 9),
  'passwords in quotes without an end': (length) => `password='"`.repeat(length / 11),
  'addresses without an end of their own': (length) => '://a:b'.repeat(length / 6),
  'elements and attributes': (length) => '<a b="'.repeat(length / 6),
  'escapes within a number': (length) => `{${String.raw`1\e5`.repeat(length / 5)}`,
  'control characters': (length) => '\u001b\u0085'.repeat(length / 2),
};

const TYPES = [
  'bool', 'int2', 'int4', 'int8', 'numeric', 'float4', 'float8', 'text', 'varchar', 'bpchar', 'citext', 'uuid', 'bytea',
  'date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'json', 'jsonb', 'xml', 'inet', 'numrange', 'jsonpath', 'tsquery',
  '_text', '_int8', '_numeric', '_jsonb', '_numrange', 'mood',
]; // prettier-ignore

const LIMITS = readSettings({}).limits;
const SCOPE = { now: 0n, latest: 0n, bounds: { nesting: LIMITS.nesting, values: LIMITS.bodyValues } };

function column(baseType: string, name: string): ContractColumn {
  return {
    name,
    dbType: baseType,
    sqlType: baseType,
    baseSqlType: baseType,
    logicalType: 'string',
    baseType,
    isArray: baseType.startsWith('_'),
    nullable: true,
    nullMeansDefault: false,
    defaultSql: null,
    defaultKind: 'none',
    sqliteDefaultSql: null,
    isPrimaryKey: name === 'id',
    generated: false,
  };
}

/** As the text, as it would be in a body, and where it is JSON as what it says. */
function forms(text: string): readonly unknown[] {
  try {
    return [text, parseLossless(text)];
  } catch {
    return [text];
  }
}

/** What becomes of a column's value in a push. */
function pushed(baseType: string, text: string): void {
  const [id, value] = [column('uuid', 'id'), column(baseType, 'value')];
  const table: ContractTable = {
    table: owned('things'),
    oid: 1,
    columns: [id, value],
    virtualColumns: [],
    hasServerKeys: false,
    primaryKey: id,
  };
  const contract = { tables: new Map([['things', table]]), closed: new Set() } as unknown as SchemaContract;
  for (const sent of forms(text)) {
    const change = changeWith({ data: { value: sent } });
    const item = checkChange(change, 0, { ...SCOPE, contract });
    if (!('data' in item)) continue;
    plainValue(sent);
    columnJson(value, sent, 'stored');
    sameValue(value, sent, 'stored');
    sameValue(value, sent, text);
  }
}

function changeWith(members: object): Parameters<typeof checkChange>[0] {
  return {
    id: '018f0000-0000-7000-8000-000000000000',
    table_name: 'things',
    operation: 'create',
    data: {},
    client_updated_at: null,
    base_updated_at: null,
    ...members,
  };
}

/** Every other text of the protocol. */
const TEXTS: Readonly<Record<string, (text: string) => void>> = {
  ...Object.fromEntries(
    ['uuid', 'text', 'int8', 'bpchar', 'citext'].map((type) => [
      `an id of type ${type}`,
      (text: string) => checkedAs(type, { id: text }),
    ]),
  ),
  'a table': (text) => checkedAs('uuid', { table_name: text }),
  'an operation': (text) => checkedAs('uuid', { operation: text }),
  'a time': (text) => checkedAs('uuid', { client_updated_at: text }),
  'a base': (text) => checkedAs('uuid', { base_updated_at: text }),
  'the header with the version': (text) => refused(() => checkVersion(text, '1.0.0')),
  'a cursor': (text) => void decodeCursor(1n, text),
  'a line of the log': (text) => void printable(text, 8_000),
  'an error': (text) => void describeError(new Error(text)),
  'a whole body': (text) => body(text, PushBody),
  'a body from its first bracket on': (text) => body(`{"changes":${text}`, PushBody),
  'an id of a client': (text) => body(member('client_id', text), RegisterBody),
  "a client's name": (text) => body(member('client_name', text), RegisterBody),
  'a platform': (text) => body(member('platform', text), RegisterBody),
  'a version': (text) => body(member('app_version', text), RegisterBody),
  'a hash': (text) => body(member('schema_hash', text), RegisterBody),
  'a checkpoint': (text) => body(`{"checkpoint":${text}}`, PullBody),
  'a limit': (text) => body(`{"limit":${text}}`, PullBody),
  'a bucket': (text) => body(`{"known_buckets":[${JSON.stringify(text)}]}`, PullBody),
  tables: (text) => body(`{"tables":[${JSON.stringify(text)}]}`, PullBody),
  'what a cursor carries': (text) => body(`{"cursor":{"after_id":${JSON.stringify(text)}}}`, SnapshotBody),
  'a key that nobody knows': (text) => body(`{${JSON.stringify(text)}:1}`, SnapshotBody),
};

function checkedAs(keyType: string, members: object): void {
  const id = column(keyType, 'id');
  const table: ContractTable = {
    table: owned('things'),
    oid: 1,
    columns: [id],
    virtualColumns: [],
    hasServerKeys: false,
    primaryKey: id,
  };
  const contract = { tables: new Map([['things', table]]), closed: new Set() } as unknown as SchemaContract;
  checkChange(changeWith(members), 0, { ...SCOPE, contract });
}

function member(name: string, text: string): string {
  return `{"${name}":${JSON.stringify(text)}}`;
}

function body(text: string, Dto: new () => object): void {
  refused(() => readBody({ text, limits: LIMITS }, Dto, []));
}

function refused(work: () => void): void {
  try {
    work();
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/bad_request|upgrade_required/) });
  }
}

/** Everything that a text can be sent as. */
const USES: readonly (readonly [string, (text: string) => void])[] = [
  ...TYPES.map((type) => [`a value of type ${type}`, (text: string) => pushed(type, text)] as const),
  ...Object.entries(TEXTS),
];

it.each(Object.entries(SHAPES))(
  '%s takes a time that is linear in its length, whatever it is sent as [W-LOAD-1]',
  (_, shape) => {
    const [small, large] = [shape(SMALL), shape(SMALL * FACTOR)];
    const slow = USES.flatMap(([name, use]) => {
      const limit = cpuMillis(() => use(small)) * FACTOR * MARGIN + FLOOR_MS;
      const taken = cpuMillis(() => use(large));
      return taken < limit ? [] : [`as ${name}: ${taken} ms, where ${limit} may be`];
    });
    expect(slow).toEqual([]);
  },
);
