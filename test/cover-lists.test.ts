import { describe, expect, it } from 'vitest';
import { coverProblems, LISTS, type CoverList, type Covers, type TestStates } from './support/cover-lists.js';
import { readCovers } from './support/cover-reporter.js';

/** As if every test that is listed had passed. */
function passed(covers: Covers): TestStates {
  const names = Object.values(covers).flatMap((cover) => ('exempt' in cover ? [] : cover));
  return new Map(names.map((name) => [name, 'passed']));
}

describe.each(LISTS)('test/$file', (list) => {
  const covers = readCovers(list);

  it.runIf(covers !== null)('is complete', () => {
    expect(coverProblems(list, covers ?? {}, passed(covers ?? {}))).toEqual([]);
  });
});

describe('a list of what the suite has to cover', () => {
  const LIST: CoverList = { file: 'any.json', keys: ['1', '2'] };
  const COVERS: Covers = { 1: ['a.test.ts > it'], 2: { exempt: 'has no counterpart' } };
  const PASSED = new Map([['a.test.ts > it', 'passed']]);

  it('must name every key, and no other', () => {
    expect(coverProblems(LIST, COVERS, PASSED)).toEqual([]);
    expect(coverProblems(LIST, { 2: COVERS['2'] ?? [], 3: ['a.test.ts'] }, PASSED)).toEqual([
      'there is no 3 to cover',
      '1: is not listed',
    ]);
    expect(coverProblems(LIST, { ...COVERS, 1: [] }, PASSED)).toEqual(['1: has no test']);
  });

  it('must name tests that ran and passed', () => {
    expect(coverProblems(LIST, COVERS, new Map())).toEqual(['1: there is no test "a.test.ts > it"']);
    for (const state of ['skipped', 'failed', 'pending']) {
      expect(coverProblems(LIST, COVERS, new Map([['a.test.ts > it', state]]))).toEqual([
        `1: "a.test.ts > it" is ${state}`,
      ]);
    }
  });

  it('may name a describe or a file, for all tests within', () => {
    const all: Covers = { ...COVERS, 1: ['a.test.ts'] };
    expect(coverProblems(LIST, all, PASSED)).toEqual([]);
    expect(coverProblems(LIST, all, new Map([...PASSED, ['a.test.ts > other', 'failed']]))).toEqual([
      '1: "a.test.ts > other" is failed',
    ]);
    expect(coverProblems(LIST, { ...COVERS, 1: ['a'] }, PASSED)).toEqual(['1: there is no test "a"']);
  });

  it('must say why a key needs no test', () => {
    expect(coverProblems(LIST, { ...COVERS, 2: { exempt: '' } }, PASSED)).toEqual([
      '2: is exempt without a reason',
    ]);
  });

  it('whose keys are tags names the tests that carry them, all and no others', () => {
    const tagged: CoverList = { file: 'any.json', keys: ['W-X-1'], tagged: true };
    const states = new Map([
      ['a.test.ts > it [W-X-1]', 'passed'],
      ['a.test.ts > other', 'passed'],
    ]);
    expect(coverProblems(tagged, { 'W-X-1': ['a.test.ts > it [W-X-1]'] }, states)).toEqual([]);
    expect(coverProblems(tagged, { 'W-X-1': ['a.test.ts > other'] }, states)).toEqual([
      'W-X-1: "a.test.ts > other" is not named after it',
      'W-X-1: "a.test.ts > it [W-X-1]" is not listed',
    ]);
    const unknown = new Map([...states, ['a.test.ts > new [W-X-2]', 'passed']]);
    expect(coverProblems(tagged, { 'W-X-1': ['a.test.ts > it [W-X-1]'] }, unknown)).toEqual([
      'W-X-2: "a.test.ts > new [W-X-2]" is not listed',
    ]);
    const skipped = new Map([...states, ['a.test.ts > elsewhere [W-X-1]', 'skipped']]);
    expect(coverProblems(tagged, { 'W-X-1': ['a.test.ts > it [W-X-1]'] }, skipped)).toEqual([]);
  });

  it('without fixed keys has those that it names, and none of them is exempt', () => {
    const free: CoverList = { ...LIST, keys: null };
    expect(coverProblems(free, { any: ['a.test.ts'] }, PASSED)).toEqual([]);
    expect(coverProblems(free, { any: ['b.test.ts'] }, PASSED)).toEqual([
      'any: there is no test "b.test.ts"',
    ]);
    expect(coverProblems(free, COVERS, PASSED)).toEqual(['2: may not be exempt']);
  });
});
