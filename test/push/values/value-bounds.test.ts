import { randomBytes, randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTableSql, owned } from '../../support/schema-fixtures.js';
import { change, pushFixture, type PushFixture } from '../../support/push-fixture.js';
import { ALICE } from '../../support/push-tables.js';

const COLUMNS = {
  amount: 'numeric',
  amounts: 'numeric[]',
  span: 'numrange',
  spans: 'numrange[]',
  document: 'jsonb',
  documents: 'jsonb[]',
  path: 'jsonpath',
  search: 'tsquery',
  searches: 'tsquery[]',
  page: 'xml',
  pages: 'xml[]',
};

let push: PushFixture;

beforeAll(async () => {
  const ddl = Object.entries(COLUMNS).map(([name, type]) => `${name} ${type}`);
  push = await pushFixture([owned('things')], [createTableSql('things', `user_id uuid, ${ddl.join()}`)]);
});
afterAll(() => push.close());

const many = (text: string, count: number): string => Array.from({ length: count }, () => text).join(',');
const hex = (digits: number): string => randomBytes(digits / 2).toString('hex');
const attributes = (count: number): string =>
  Array.from({ length: count }, (_, index) => `a${index}="1>"`).join(' ');

async function pushed(column: keyof typeof COLUMNS, value: unknown): Promise<object> {
  return push.pushOne(ALICE, change('create', 'things', randomUUID(), { [column]: value }));
}

const REFUSED = { status: 'rejected_terminal', reason_code: 'invalid_data' };

describe('refuses a value of', () => {
  it.each<[keyof typeof COLUMNS, string, unknown]>([
    ['amount', 'digits as text', '7'.repeat(2_000)],
    ['amount', 'hexadecimal digits', `0x${hex(100_000)}`],
    ['amount', 'digits apart', `1${'_1'.repeat(1_000)}`],
    ['amounts', 'digits', `{1,${'7'.repeat(2_000)}}`],
    ['amounts', 'hexadecimal digits', `{${many(`0x${hex(20_000)}`, 10)}}`],
    ['span', 'digits', `[${'7'.repeat(2_000)},)`],
    ['document', 'digits within a text', `{"a":[${'7'.repeat(80_000)}]}`],
    ['document', 'digits of a fraction within a text', `[0.${'7'.repeat(10_000)}]`],
    ['documents', 'digits', `{"[${'7'.repeat(2_000)}]"}`],
  ])('%s, for a number of too many %s [W-LOAD-3]', async (column, _, value) => {
    expect(await pushed(column, value)).toMatchObject(REFUSED);
  });

  it.each<[keyof typeof COLUMNS, string, unknown]>([
    ['amounts', 'elements that are texts', Array.from({ length: 1_000 }, () => '1e300')],
    ['amounts', 'elements that are texts in a text', `[${many('"1e300"', 1_000)}]`],
    ['amounts', 'characters by their codes', `[${many(String.raw`"\u0031e300"`, 1_000)}]`],
    ['amounts', 'escapes', `{${many(String.raw`1\e300`, 1_000)}}`],
    ['amounts', 'escapes in quotes', `{${many(String.raw`"1e\300"`, 1_000)}}`],
    ['spans', 'bounds', `{${many('"[1e300,2e300]"', 1_000)}}`],
    ['spans', 'bounds with escapes', `{${many(String.raw`"[1\\e300,)"`, 1_000)}}`],
    ['spans', 'bounds in a list', Array.from({ length: 1_000 }, () => '[1e300,)')],
    ['documents', 'documents', `{${many('"[1e300]"', 1_000)}}`],
  ])('%s, for exponents in %s that grow [W-LOAD-4]', async (column, _, value) => {
    expect(await pushed(column, value)).toMatchObject(REFUSED);
  });

  it.each<[keyof typeof COLUMNS, string, unknown]>([
    ['search', 'words', `${'a&'.repeat(100_000)}a`],
    ['search', 'phrases', `${'a<->'.repeat(50_000)}a`],
    ['searches', 'words', [`${'a|'.repeat(100_000)}a`]],
    ['path', 'repeated patterns', '$ ? (@ like_regex "(.*.*.*.*.*){200}")'],
    ['path', 'repeated patterns by codes', String.raw`$ ? (@ like_regex "(.*.*.*.*.*)\u007b200}")`],
    ['path', 'keywords by codes', String.raw`$ ? (@ l\u0069ke_regex "(.*.*.*.*.*){200}")`],
    ['path', 'keywords in capitals', '$ ? (@ LIKE_REGEX "(.*.*.*.*.*){200}")'],
    ['path', 'comments', '$ /* " */ ? (@ like_regex "(.*.*.*.*.*){200}") /* " */'],
    ['path', 'long patterns', `$ ? (@ like_regex "${'.*'.repeat(1_000)}")`],
    ['page', 'attributes', `<a ${attributes(50_000)}/>`],
    ['page', 'attributes behind a comment', `<b><!-- ' --><a ${attributes(50_000)}/></b>`],
    ['page', 'attributes behind a section', `<b><![CDATA[ <x ' ]]><a ${attributes(50_000)}/></b>`],
    ['page', 'declared attributes', '<!DOCTYPE a [<!ATTLIST a b CDATA "1">]><a/>'],
    ['page', 'declared entities', `<!DOCTYPE a [<!-- ' --><!ENTITY b "1">]><a>&b;</a>`],
    ['pages', 'attributes', [`<a ${attributes(50_000)}/>`]],
  ])('%s, soon, for %s that PostgreSQL reads slowly [W-LOAD-1]', async (column, _, value) => {
    const { result, reached } = await watched(column, value);
    expect(result).toMatchObject(REFUSED);
    // What was accepted took from two seconds to minutes there.
    expect(reached).toBe(false);
  });
});

/** A push, and whether its value reached the server. */
async function watched(
  column: keyof typeof COLUMNS,
  value: unknown,
): Promise<{ readonly result: object; readonly reached: boolean }> {
  const query = vi.spyOn(Client.prototype, 'query');
  try {
    const result = await pushed(column, value);
    const start = unquoted(Array.isArray(value) ? value[0] : value).slice(0, 50);
    return { result, reached: unquoted(query.mock.calls).includes(start) };
  } finally {
    query.mockRestore();
  }
}

/** Without what quotes it in JSON, arrays and SQL. */
function unquoted(value: unknown): string {
  return (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(/[\\"']/g, '');
}

it.each<[keyof typeof COLUMNS, unknown]>([
  ['amount', '7'.repeat(1_000)],
  ['amount', '1e300'],
  ['amounts', ['1e300', '5', null]],
  ['amounts', '{1e300,NULL,5}'],
  ['span', '["1","2")'],
  ['documents', String.raw`{"{\"a\":1e30}"}`],
  ['document', JSON.stringify({ key: hex(5_000), words: Array.from({ length: 500 }, () => 'e1') })],
  ['document', `7${hex(5_000)}`],
  ['search', `${'fat & '.repeat(100)}rat`],
  ['path', '$.track ? (@.name like_regex "^a.*b$" flag "i")'],
  ['path', String.raw`$ ? (@ == "\"like\" {a}")`],
  ['page', `<!DOCTYPE a><a><!-- don't --><b ${attributes(900)}/><c ${attributes(900)}/></a>`],
  ['searches', ['rat & fat']],
  ['pages', ['<a b="1>"/>']],
])('takes an honest value of %s', async (column, value) => {
  const { result, reached } = await watched(column, value);
  expect(result).toMatchObject({ status: 'applied' });
  expect(reached).toBe(true);
});
