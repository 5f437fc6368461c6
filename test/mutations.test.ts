import { posix } from 'node:path';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { applyEdit, editsOf } from './mutations/mutation.js';
import { MUTATIONS } from './mutations/mutations.js';
import { judge } from './mutations/run.js';
import { WITHOUT_MUTATION } from './mutations/without-mutation.js';
import { readReport, type JsonReport } from './mutations/vitest-runs.js';
import type { Covers } from './support/cover-lists.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

/** `npm run test:mutations` takes minutes; that its list fits the code as it is, this says at once. */
describe('the mutations', () => {
  it('are many, and each has a name of its own', () => {
    const names = MUTATIONS.map(({ name }) => name);
    expect(names.filter((name) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThanOrEqual(100);
  });

  it.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
    '%s: is up to date',
    (_, mutation) => {
      const texts = new Map<string, string>();
      for (const edit of editsOf(mutation)) {
        expect(edit.file).toMatch(/^(lib|client\/src|sample-app)\//);
        const text = texts.get(edit.file) ?? readFileSync(`${ROOT}${edit.file}`, 'utf8');
        texts.set(edit.file, applyEdit(text, edit));
        expect(texts.get(edit.file)).not.toBe(text);
      }
      expect(mutation.tests).not.toEqual([]);
      for (const { file, name } of mutation.tests) {
        expect(existsSync(`${ROOT}${file}`), file).toBe(true);
        expect(name).not.toBe('');
      }
    },
  );
});

describe('each hazard of hazards.json', () => {
  const covers = JSON.parse(readFileSync(`${ROOT}test/hazards.json`, 'utf8')) as Covers;
  const named = MUTATIONS.flatMap(({ tests }) => tests);

  /** Whether a mutation names one of its tests, or it in the name of one. */
  function isMutated(id: string): boolean {
    const cover = covers[id] ?? [];
    const own = 'exempt' in cover ? [] : cover.map((test) => test.split(' > '));
    return named.some(
      ({ file, name }) =>
        name.includes(`[${id}]`) ||
        own.some(
          ([test, ...titles]) => file === posix.join('test', test ?? '') && titles.join(' ').includes(name),
        ),
    );
  }

  it('has a mutation that its tests must notice, unless there is a reason for none', () => {
    const without = Object.keys(covers).filter((id) => !isMutated(id));
    expect(without).toEqual(Object.keys(WITHOUT_MUTATION));
  });
});

describe('an edit', () => {
  const edit = { file: 'a.ts', find: 'a > b', replace: 'a >= b' };

  it('replaces its text, whatever stands there', () => {
    expect(applyEdit('if (a > b) c;', { ...edit, replace: '$& $1' })).toBe('if ($& $1) c;');
  });

  it.each(['if (a < b) c;', 'if (a > b) c(a > b);'])('is refused for %j', (text) => {
    expect(() => applyEdit(text, edit)).toThrow(/^a\.ts has [02] places, not one/);
  });
});

describe('a report', () => {
  const tests = [{ file: 'test/a.test.ts', name: 'that counts' }];

  function read(...results: [fullName: string, status: string][]): ReturnType<typeof judge> {
    return readWith('passed', results);
  }

  function readWith(status: string, results: readonly [fullName: string, status: string][]) {
    const assertionResults = results.map(([fullName, of]) => ({
      fullName,
      status: of,
      failureMessages: of === 'failed' ? ['AssertionError: expected 1 to be 2\n at …'] : [],
    }));
    const report: JsonReport = {
      testResults: [{ name: '/copy/test/a.test.ts', status, message: 'the hook failed', assertionResults }],
    };
    return judge({ ...readReport(report, '/copy', tests), seconds: 1 });
  }

  it('of a test that failed says that the mutation was caught, and by what', () => {
    expect(read(['one that counts', 'passed'], ['two that counts', 'failed'])).toEqual({
      kind: 'caught',
      detail: 'test/a.test.ts > two that counts: AssertionError: expected 1 to be 2',
    });
  });

  it('of tests that all passed says that it survived', () => {
    expect(read(['one that counts', 'passed'])).toMatchObject({ kind: 'survived' });
  });

  it('of nothing that was asked for says nothing', () => {
    expect(read(['one that counts', 'skipped'])).toMatchObject({ kind: 'invalid' });
    expect(read(['another one', 'failed'])).toMatchObject({ kind: 'invalid' });
  });

  it.each(['passed', 'skipped'])('of a file that broke around tests that %s says nothing', (status) => {
    expect(readWith('failed', [['one that counts', status]])).toEqual({
      kind: 'invalid',
      detail: 'test/a.test.ts: the hook failed',
    });
  });
});
