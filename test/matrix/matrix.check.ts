import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.js';
import { combinations } from './combinations.js';
import { projectWith } from './project-with.js';
import { run } from './run.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Both adapters, CommonJS and ES modules, hooks, validators, the forms of the module, the driver. */
const TESTS = [
  'test/host/main-job.test.ts',
  'test/host/commonjs-host.test.ts',
  'test/host/instances.test.ts',
  'test/host/hooks.test.ts',
  'test/http/http-hosts.test.ts',
  'test/push/before-apply.test.ts',
  'test/registry/registry-entities.test.ts',
  'test/database/pipeline.test.ts',
  'test/host/query-log.test.ts',
  'test/http/swagger.test.ts',
];

const rows: string[] = [];
let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  const head =
    '| Nest | @nestjs/typeorm | TypeORM | pg | passed | failed |\n| --- | --- | --- | --- | --- | --- |';
  process.stdout.write(`\n${head}\n${rows.join('\n')}\n`);
});

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

describe('hosts of each version that package.json allows', () => {
  it.each(combinations({ all: process.env['MATRIX'] === 'all' }))(
    'Nest $nest with TypeORM $typeorm and pg $pg',
    async (combination) => {
      const own = await temporaryFolder(folder);
      const { project, versions } = await projectWith(ROOT, combination, own);
      const file = join(own, 'report.json');
      const vitest = join(project, 'node_modules', 'vitest', 'vitest.mjs');
      const args = [vitest, 'run', ...TESTS, '--reporter=json', `--outputFile=${file}`];
      const { output } = await run('node', project, args);
      const text = await readFile(file, 'utf8').catch(() => null);
      if (text === null) throw new Error(`vitest ended without a report: ${output}`);
      const report = JSON.parse(text) as Report;
      const cells = [...Object.values(versions), report.numPassedTests, report.numFailedTests];
      rows.push(`| ${cells.join(' | ')} |`);
      expect(failuresOf(report)).toEqual([]);
      expect(report.numPassedTests).toBeGreaterThan(50);
      await rm(own, { recursive: true, force: true });
    },
  );
});

/** What failed, with a file that could not be run. */
function failuresOf({ testResults }: Report): readonly string[] {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults
      .filter((test) => test.status === 'failed')
      .map(({ fullName }) => fullName);
    if (failed.length > 0) return failed;
    return status === 'failed' ? [`${name}: ${message}`] : [];
  });
}
