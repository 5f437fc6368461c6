import { describe, expect, it } from 'vitest';
import { isSwiftDate, kotlinNumber, parseAsSdk } from './strict-json.js';

describe('the SDKs’ parser', () => {
  it.each([
    ['1e+18', 10n ** 18n],
    ['-9223372036854775808', -(2n ** 63n)],
    ['10e-1', 1n],
    ['1.0e-05', 1e-5],
    ['100000000000000000000.0', 1e20],
    ['-0', 0n],
  ])('reads %s [W-DATA-6]', (token, expected) => {
    expect(kotlinNumber(token)).toBe(expected);
  });

  it.each(['1e+19', '1e-05', '100000000000000000000', '-9223372036854775809', '1.0e400', '1e999'])(
    'refuses %s',
    (token) => {
      expect(() => kotlinNumber(token)).toThrow(token);
    },
  );

  it.each(['{"a":1e20}', '[[1e-05]]', '"\\ud800"', '"a\nb"', '[1,]', '01', '{"a":1} x', 'NaN'])(
    'refuses the answer %s',
    (text) => {
      expect(() => parseAsSdk(text)).toThrow();
    },
  );

  it('keeps the data of records as it was written', () => {
    expect(parseAsSdk('{"changes":[{"id":"a","data": {"n":1.10, "x":"\\u00e9"} }]}').data).toEqual([
      '{"n":1.10, "x":"\\u00e9"}',
    ]);
  });

  it.each([
    ['2024-02-29T10:00:00Z', true],
    ['2024-02-29T10:00:00.123456Z', true],
    ['2024-02-29T10:00:00.1+02:00', true],
    ['2024-02-29 10:00:00Z', false],
    ['2024-02-29T10:00:00', false],
    ['12024-02-29T10:00:00Z', false],
    ['infinity', false],
    ['2024-13-29T10:00:00Z', false],
  ])('takes %s for a time: %s', (text, expected) => {
    expect(isSwiftDate(text)).toBe(expected);
  });
});
