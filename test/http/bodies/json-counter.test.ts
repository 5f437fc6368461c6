import { describe, expect, it } from 'vitest';
import { scanJson } from '../../../lib/common/json/json-scan.js';
import { JsonCounter } from '../../../lib/http/bodies/json-counter.js';

function count(text: string, size: number): Pick<JsonCounter, 'nesting' | 'values'> {
  const counter = new JsonCounter();
  for (let at = 0; at < text.length; at += size) counter.take(text.slice(at, at + size));
  const { nesting, values } = counter;
  return { nesting, values };
}

describe('what a body holds is counted while it comes, as it is when it is there [W-LOAD-22]', () => {
  it.each([
    ['objects and arrays', '{"a":[1,2,{"b":[]}],"c":{}}'],
    ['brackets and commas in strings', '{"a":"[{,","b]":","}'],
    ['escapes before a quote', String.raw`{"a":"\\\\\\","b":[",\\\",",1]}`],
    ['escapes', String.raw`{"a":"\"[,","b":"\\","c":["\\\"{"]}`],
    ['other alphabets', '{"ä":"日本,[","\u{1f600}":[1,2]}'],
    ['what follows the first object', '{"a":1},[[[[1,2,3'],
    ['space before it', ' \n{"a":[[1]]}'],
    ['an object without an end', '{"a":[1,2,[3'],
    ['a string without an end', '{"a":[1,"2,[3'],
    ['no object', '1,2,3'],
  ])('%s', (_, text) => {
    const { nesting, values } = scanJson(text, undefined, true);
    for (const size of [1, 2, 3, 100]) expect(count(text, size), `in ${size}s`).toEqual({ nesting, values });
  });
});
