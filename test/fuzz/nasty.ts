import { text } from './draft.js';

/** JSON texts, some of them none at all, that a member's value is replaced with. */

export const WRONG_TYPES: readonly string[] = [
  'true', 'false', '0', '1', '-1', '1.5', '""', '"x"', '[]', '[null]', '[[]]', '{}', '{"a":1}', '[1,2,3]', '"null"',
  '"0"', '"true"', '[{}]', '{"length":3}', '{"value":"1"}', '{"isLosslessNumber":true,"value":"1"}', '{"toString":1}',
  '{"then":1}', '{"type":"Buffer","data":[1]}', '"[object Object]"', '["a","b"]', '[true]', '{"0":"a"}',
]; // prettier-ignore

export const NUMBERS: readonly string[] = [
  '1e400', '-1e400', '1e-400', '9223372036854775807', '9223372036854775808', '-9223372036854775808',
  '-9223372036854775809', '18446744073709551615', '18446744073709551616', '-0', '0', '-0.0', '0e0', '1e0', '1E5',
  '123456789012345678901234567890', '-123456789012345678901234567890', '0.1', '1.0', '1e999999999', '1e131071',
  '1e-16383', '1e-99999999999', '5e-324', '1.7976931348623157e308', '2147483647', '2147483648', '-2147483649', '32768',
  '4294967296', '9007199254740993', `1${'0'.repeat(400)}`, `0.${'1'.repeat(400)}`, `1e${'9'.repeat(40)}`,
  '99999999.99', '99999999.995', '100000000', '[1e131071,1e131071]', `[${Array.from({ length: 500 }, () => '1e131071').join(',')}]`, '{"n":1e20000}', '[1e-16383]',
  // No JSON.
  '01', '+1', '.5', '1.', '0x10', 'NaN', 'Infinity', '-Infinity', '-', '1_000', '--1', '1e', '1e+', '٣',
]; // prettier-ignore

const NUMBER_STRINGS = [
  '1e400',
  'NaN',
  'Infinity',
  '-0',
  '9223372036854775808',
  '1e131071',
  '0x10',
  ' 5 ',
  '5.',
  '',
];

export const NUMBERS_AS_TEXT: readonly string[] = [...NUMBER_STRINGS, ...NUMBERS].map(text);

export const TIMES: readonly string[] = [
  'infinity', '-infinity', '9999-12-31T23:59:59.999999Z', '10000-01-01T00:00:00Z', '12024-02-29T00:00:00Z',
  '275760-09-13T00:00:00Z', '275760-09-13T23:59:59.999999Z', '275760-09-14T00:00:00Z', '294276-12-31T23:59:59.999999Z',
  '294277-01-01T00:00:00Z', '999999-12-31T00:00:00Z', '+010000-01-01T00:00:00Z', '-000001-01-01T00:00:00Z',
  '0000-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '0044-03-15 10:00:00 BC', '4713-01-01 00:00:00 BC',
  '4714-11-24 00:00:00 BC', '9999-01-01 00:00:00 BC', '2026-01-01', '2026-01-01T10:00:00', '2026-01-01 10:00:00',
  '2026-01-01T10:00', '2026-02-30T00:00:00Z', '2026-13-01T00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T24:59:59Z',
  '2026-01-01T25:00:00Z', '2026-01-01T23:59:60Z', '2026-01-01T10:00:00.123456789Z', '2026-01-01T10:00:00+99:99',
  '2026-01-01T10:00:00+16:00', '2026-01-01T10:00:00-15:59:59', '2026-01-01T10:00:00 Europe/Berlin', 'now', 'today',
  'tomorrow', 'epoch', 'allballs', 'yesterday', '', ' ', 'garbage', '0', '1767225600', '2026-W01-1', '1e10',
  '2026-01-01T10:00:00Z; DROP TABLE tasks', '２０２６-01-01T00:00:00Z', '2026-01-01T10:00:00\u0000Z', 'null', '1970-01-01',
].map(text); // prettier-ignore

export const SQL: readonly string[] = [
  "'; DROP TABLE tasks; --", "' OR '1'='1", '"; DROP TABLE tasks; --', "x' UNION SELECT body FROM comments --",
  '$1', '$$', '$99', ':id', '?', '%', '_', '%s', '\\', "\\'", "E'\\x27'", '/*', '*/', '--', ';', "');--", '{tasks}',
  '{"a","b"}', '{NULL}', '{{1},{2}}', '(1,2)', 'tasks"', 'public.tasks', '"tasks"', 'TASKS', 'tasks ', 'tasks--',
  'sync_clients', 'sync_changelog', 'pg_catalog.pg_authid', 'pg_shadow', "tasks' AND pg_sleep(20) --", 'user:%',
  "1; SELECT pg_sleep(20)", '${7*7}', '{{7*7}}', '<script>', '\u2028', '../../etc/passwd', '%00', '\\x', '\\u0000',
  '*', 'task:', 'user:', 'global', 'client:', 'null', 'undefined', 'NULL', 'DEFAULT', 'CURRENT_USER', 'true',
].map(text); // prettier-ignore

/** Strings that no text of PostgreSQL, no id, or no UTF-8 can be. */
export const ODD_STRINGS: readonly string[] = [
  String.raw`"\u0000"`, String.raw`"a\u0000b"`, String.raw`"\ud800"`, String.raw`"\udc00\ud800"`,
  String.raw`"x\ud83d"`, String.raw`"\ud83d\ude00"`, String.raw`"\uffff\ufffe"`, String.raw`"\u202e\u200b"`,
  '"\u{10ffff}"', '"\u0301\u0301"', String.raw`"\u0001\u001f"`, String.raw`"\\u0000"`, String.raw`"[\"\\u0000\"]"`,
  String.raw`"{\"a\":\"\\ud800\"}"`, String.raw`"{\"\\u0000\":1}"`, '"\uFEFF"', '"é"', '"e\u0301"', '"İ"', '"ß"',
  String.raw`{"\u0000":1}`, String.raw`{"\ud800":"\udc00"}`, String.raw`["\u0000"]`, String.raw`"\b\f\n\r\t\/"`,
  // No JSON.
  String.raw`"\x41"`, String.raw`"\u12"`, '"\n"', '"\t"', "'x'", '"', String.raw`"\"`,
]; // prettier-ignore

export const KEYS: readonly string[] = [
  '__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'toJSON', 'then', 'length', '',
  '0', 'CLIENT_ID', 'Client_Id', 'ID', 'Changes', 'DATA', 'User_ID', 'USER_ID', 'deleted_at', 'updated_at',
  'created_at', 'id', 'xmin', 'ctid', 'tableoid', 'user_id', 'task_id', '\u0000', '"', '$1', 'schema_version', 'limit',
  'ſchema_hash', 'cursor', 'checkpoint', 'data', 'client_id', 'isLosslessNumber', 'value', "title' = 'x', user_id",
]; // prettier-ignore

export const KEY_VALUES: readonly string[] = [
  'null', '"x"', '1', '{}', '[]', 'true', '{"id":"x"}', '{"__proto__":{"admin":true}}', '{"constructor":{"prototype":{}}}',
]; // prettier-ignore

/** As Latin-1 characters: each is one byte. */
export const BROKEN_BYTES: readonly string[] = [
  '\xff', '\xc0\x80', '\xed\xa0\x80', '\xf8\x88\x80\x80\x80', '\x80', '\xc3', '\xe2\x82', '\x00', '\xef\xbb\xbf', '\xf4\x90\x80\x80',
]; // prettier-ignore

export function nested(depth: number, open: string, close: string, within = ''): string {
  return open.repeat(depth) + within + close.repeat(depth);
}
