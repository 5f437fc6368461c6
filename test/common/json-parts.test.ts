import { describe, expect, it } from 'vitest';
import { parsingParts, type StandIn } from '../../lib/common/json/json-parts.js';
import { atOnce, type Pieces } from '../../lib/common/pieces.js';

/** Longer than what is parsed at once. */
const LONG = 'x'.repeat(40_000);
const LONGER = 'text é'.repeat(200_000);
const many = (one: string): string => Array(20_000).fill(one).join(',');

function parsing(text: string): Pieces<unknown> {
  const itself: StandIn = { slice: (start, end) => text.slice(start, end), valueOf: (part) => part };
  return parsingParts(text, text.length, itself);
}

function parse(text: string): unknown {
  return atOnce(parsing(text));
}

describe('JSON that is parsed in parts [W-LOAD-23]', () => {
  it.each([
    ['an array of numbers', `[${many('1')}]`],
    ['an object of many members', `{${Array.from({ length: 20_000 }, (_, n) => `"k${n}":${n}`).join(',')}}`],
    [
      'long arrays in long arrays',
      `[[${many('[1,2]')}],{"a":[${many('{"b":[]}')}],"c":{"d":[${many('null')}]}}]`,
    ],
    ['small ones around a long one', `{"a":{"b":{"c":[${many('"x"')}]},"z":1},"y":[[[${many('[]')}],2],3]}`],
    ['a long string', `{"a":["${LONG}",{"b":"${LONG}"}],"c":1}`],
    ['a longer one', `{"a":["${LONGER}",[{"b": "${LONGER}" }]],"c":"${LONGER}"}`],
    ['a longer one alone', ` "${LONGER}" `],
    ['a longer key', `{"${LONGER}" :{"a":1}}`],
    ['longer ones with escapes', `["${LONGER}\\n","\\u0041${LONGER}",1]`],
    ['a longer one in a long list', `[${many('1')},"${LONGER}",${many('{}')},{"a":["${LONGER}"]}]`],
    ['brackets, commas and escapes in strings', `[${many(String.raw`"],[\"\\","{"`)}]`],
    ['space anywhere', ` \n[ ${many(' 1 \t')} ] \r\n`],
    ['keys that come twice', `{"a":1,"x":[${many('1')}],"a":2,"y":[${many('2')}],"a":3}`],
    ['numbers for keys', `{"2":[${many('1')}],"1":[${many('2')}]}`],
    ['a string alone', `"${LONG}"`],
    ['empty ones', `[${many('[]')},${many('{}')}]`],
  ])('is what it is as a whole: %s', (_, text) => {
    const [whole, inParts] = [JSON.parse(text) as unknown, parse(text)];
    expect(inParts).toStrictEqual(whole);
    expect(JSON.stringify(inParts)).toBe(JSON.stringify(whole));
  });

  it('keeps a member __proto__ a member', () => {
    const value = parse(`{"x":[${many('1')}],"__proto__":[${many('2')}],"y":"${LONG}","z":1}`) as object;
    expect(Object.keys(value)).toEqual(['x', '__proto__', 'y', 'z']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it.each([
    ['a comma at the end', `[${many('1')},]`],
    ['a comma behind a long value', `["${LONG}",]`],
    ['a comma at the start', `[,${many('1')}]`],
    ['two commas', `[${many('1')},,${many('1')}]`],
    ['a comma behind what was cut out', `{"a":[${many('1')}],}`],
    ['a bracket of the other kind', `[${many('1')}}`],
    ['a bracket too few', `[[${many('1')}]`],
    ['a bracket too many', `[${many('1')}]]`],
    ['two values', `[${many('1')}][1]`],
    ['no value', `{"a":[${many('1')}],"b":}`],
    ['no key', `{[${many('1')}]}`],
    ['an array for a key', `{[${many('1')}]:1}`],
    ['a long array beside a word', `[${many('[1]')} x]`],
    ['a string without an end', `["${LONG}`],
    ['a longer string with a line break', `["${LONGER}\n"]`],
    ['two longer strings', `["${LONGER}""${LONGER}"]`],
    ['values with colons', `[${many('"a":1')}]`],
  ])('is refused as it is as a whole: %s', (_, text) => {
    expect(() => JSON.parse(text) as unknown).toThrow(SyntaxError);
    expect(() => parse(text)).toThrow(SyntaxError);
  });

  it('leaves a longer string where it is [W-LOAD-34]', () => {
    const text = `{"a":["${LONGER}"],"b":{"c":"${LONGER}"}}`;
    let given = 0;
    const slice = (start: number, end: number): string => {
      given += end - start;
      return text.slice(start, end);
    };
    atOnce(parsingParts(text, text.length, { slice, valueOf: (part) => part }));
    expect(given).toBeLessThan(100);
  });

  it.each([
    ['numbers', `[${many('1')}]`],
    ['objects', `{"a":{"b":[${many('{"a":1}')}]}}`],
  ])('is parsed in pieces: %s', (_, text) => {
    const pieces = parsing(text);
    let count = 0;
    while (pieces.next().done !== true) count++;
    expect(count).toBeGreaterThanOrEqual(text.length / 100_000);
    expect(count).toBeGreaterThan(0);
  });
});
