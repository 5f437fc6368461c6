import { assert, constantFrom, jsonValue, property } from 'fast-check';
import { LosslessNumber, stringify } from 'lossless-json';
import { expect, it } from 'vitest';
import { scanJson } from '../../lib/common/json/json-scan.js';
import { parseLossless, parsing } from '../../lib/common/json/lossless-json.js';
import { atOnce } from '../../lib/common/pieces.js';
import { cpuMillis } from '../support/cpu-time.js';

it('parses whatever is JSON like the native parser', () => {
  assert(
    property(jsonValue(), constantFrom(undefined, 1), (value, space) => {
      const text = JSON.stringify(value, null, space);
      expect(stringify(parseLossless(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
    { numRuns: 500 },
  );
});

it('keeps the digits of numbers, outside of strings [W-DATA-1]', () => {
  const text = String.raw`{"a":[9223372036854775807,-0.50,1E+3],"k5":"1 \" 2 \\","b\\":-1,"c\\\"7":7,"__proto__":{"x":1}}`;
  expect(stringify(parseLossless(text))).toBe(text);
  expect(parseLossless(' 12.0 ')).toEqual(new LosslessNumber('12.0'));
  expect(Object.getPrototypeOf(parseLossless(text))).toBe(Object.prototype);
});

it('leaves numbers whose digits JavaScript would print as they are', () => {
  const text = '[0,-1,0.25,9007199254740991,1e+21,{"n":12345.678}]';
  expect(parseLossless(text)).toEqual(JSON.parse(text));
  const others = ['-0', '5.0', '1e3', '9007199254740993', '1e400', '0.1000000000000000055', '1E+21'];
  expect(parseLossless(`[${others.join(',')}]`)).toEqual(others.map((token) => new LosslessNumber(token)));
});

it('keeps digits at any depth that the stack allows, and refuses what is deeper', () => {
  expect(stringify(parseLossless(nested(500)))).toBe(nested(500));
  expect(() => parseLossless(nested(1_000_000))).toThrow(RangeError);
});

it.each([
  ['a long list of them', (list: string) => `[${list}]`],
  [
    'them around a long list',
    (list: string) => `{"a":1.50,"b":[5.0,[${list}],1e3],"c":{"d":[[${list}]],"e":-0}}`,
  ],
  [
    'texts and keys beside them',
    (list: string) => `{"1.50":"1.50","x":["1e3",{"2.0":[${list}]}],"y":" 7.0"}`,
  ],
  ['what follows the first value', (list: string) => `{"a":[${list}]} 1.50 [2.0`],
])('keeps the digits of numbers in parts of a long text: %s [W-DATA-1]', (_, around) => {
  const text = around('1.50,12,{"n":[0.10,"1.50"]},1e300,9223372036854775807,'.repeat(3_000) + '0.0');
  const scan = scanJson(text, undefined, true);
  const inParts = atOnce(parsing(text, scan));
  expect(stringify(inParts)).toBe(text.slice(0, scan.end));
  expect(inParts).toEqual(parseLossless(text, scan));
});

it('takes the last of duplicate keys', () => {
  expect(stringify(parseLossless('{"a":1,"a":{"b":2}}'))).toBe('{"a":{"b":2}}');
});

it.each([
  '',
  '01',
  '1.',
  '.5',
  '+1',
  '-',
  '1e',
  '1 2',
  '1a',
  'a1',
  '{1:2}',
  '-Infinity',
  'NaN',
  '0x1',
  '"',
  '"\\"',
  '[1,]',
  '"\n"',
])('refuses %j', (text) => {
  expect(() => parseLossless(text)).toThrow(SyntaxError);
});

it('a long string does not take many times longer than with the native parser', () => {
  const text = JSON.stringify({ text: 'x"\\'.repeat(3_000_000) });
  const native = cpuMillis(() => JSON.parse(text));
  expect(cpuMillis(() => parseLossless(text))).toBeLessThan(native * 50 + 2_000);
});

function nested(depth: number): string {
  return `${'['.repeat(depth)}5.0${']'.repeat(depth)}`;
}
