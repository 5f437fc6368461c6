import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scenarioProblems, type Scenarios, type TestStates } from './support/scenarios.js';

const LIST = JSON.parse(readFileSync(new URL('scenarios.json', import.meta.url), 'utf8')) as Scenarios;

/** As if every test that is listed had passed. */
const PASSED: TestStates = new Map(
  Object.values(LIST).flatMap((cover) => ('exempt' in cover ? [] : cover.map((name) => [name, 'passed']))),
);

const [number = '', name = ''] = Object.entries(LIST).flatMap(([key, cover]) =>
  'exempt' in cover || cover.length > 1 ? [] : [[key, ...cover]],
)[0] ?? [''];

describe('the list of scenarios', () => {
  it('is complete', () => {
    expect(scenarioProblems(LIST, PASSED)).toEqual([]);
  });

  it('must name every scenario, and no other', () => {
    const { [number]: _, ...others } = LIST;
    expect(scenarioProblems({ ...others, 157: ['x'] }, PASSED)).toEqual([
      'there is no scenario 157',
      `scenario ${number}: is not listed`,
    ]);
  });

  it('must name tests that ran and passed', () => {
    const without = new Map([...PASSED].filter(([test]) => test !== name));
    expect(scenarioProblems(LIST, without)).toContain(`scenario ${number}: there is no test "${name}"`);
    const skipped = new Map([...PASSED, [name, 'skipped']]);
    expect(scenarioProblems(LIST, skipped)).toContain(`scenario ${number}: "${name}" is skipped`);
    const within = new Map([...without, [`${name} > one`, 'passed'], [`${name} > other`, 'failed']]);
    expect(scenarioProblems(LIST, within)).toContain(`scenario ${number}: "${name} > other" is failed`);
  });

  it('must say why a scenario needs no test', () => {
    expect(scenarioProblems({ ...LIST, [number]: { exempt: '' } }, PASSED)).toEqual([
      `scenario ${number}: is exempt without a reason`,
    ]);
  });
});
