import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { coverProblems, LISTS, type CoverList, type Covers, type TestStates } from './cover-lists.js';

const TESTS = fileURLToPath(new URL('../', import.meta.url));

/** What the list says; null where there is none, which only a list without fixed keys may be. */
export function readCovers({ file, keys }: CoverList): Covers | null {
  const path = `${TESTS}${file}`;
  if (keys === null && !existsSync(path)) return null;
  return JSON.parse(readFileSync(path, 'utf8')) as Covers;
}

/** Fails a run of the whole suite in which something on one of the {@link LISTS} has no test that passed. */
export class CoverReporter implements Reporter {
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    if (!(await this.isWholeSuite(modules))) return;
    const states: TestStates = new Map(modules.flatMap(statesOf));
    for (const list of LISTS) {
      const covers = readCovers(list);
      const problems = covers === null ? [] : coverProblems(list, covers, states);
      if (problems.length === 0) continue;
      process.exitCode = 1;
      process.stderr.write(`\ntest/${list.file}:\n${problems.map((problem) => `- ${problem}\n`).join('')}`);
    }
  }

  private async isWholeSuite(modules: readonly TestModule[]): Promise<boolean> {
    if (!this.vitest) return false;
    const { testNamePattern, project } = this.vitest.config;
    if (testNamePattern || project.length > 0) return false;
    const all = await this.vitest.globTestSpecifications();
    return modules.length === all.length;
  }
}

function statesOf(module: TestModule): readonly (readonly [string, string])[] {
  const file = relative(TESTS, module.moduleId);
  return [...module.children.allTests()].map((test) => [`${file} > ${test.fullName}`, test.result().state]);
}
