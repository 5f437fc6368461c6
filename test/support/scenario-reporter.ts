import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { scenarioProblems, type Scenarios } from './scenarios.js';

const LIST = new URL('../scenarios.json', import.meta.url);

/** Fails a run of the whole suite in which a scenario of `test/scenarios.json` is missing or was skipped. */
export class ScenarioReporter implements Reporter {
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.vitest = vitest;
  }

  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    if (!(await this.isWholeSuite(modules))) return;
    const states = new Map(
      modules.flatMap((module) =>
        [...module.children.allTests()].map((test) => [
          `${basename(module.moduleId)} > ${test.fullName}`,
          test.result().state,
        ]),
      ),
    );
    const scenarios = JSON.parse(readFileSync(LIST, 'utf8')) as Scenarios;
    const problems = scenarioProblems(scenarios, states);
    if (problems.length === 0) return;
    process.exitCode = 1;
    process.stderr.write(`\ntest/scenarios.json:\n${problems.map((problem) => `- ${problem}\n`).join('')}`);
  }

  private async isWholeSuite(modules: readonly TestModule[]): Promise<boolean> {
    if (!this.vitest || this.vitest.config.testNamePattern) return false;
    const all = await this.vitest.globTestSpecifications();
    return modules.length === all.length;
  }
}
