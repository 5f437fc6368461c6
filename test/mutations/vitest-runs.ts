import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { TestChoice } from './mutation.js';

/** What a run of vitest says. */
export interface TestReport {
  /** File and full name. */
  readonly passed: readonly { readonly file: string; readonly fullName: string }[];
  /** Those that ran and failed, with what the first line of their errors says. */
  readonly failed: readonly string[];
  /** What went wrong outside of tests: a hook, an import, vitest itself; null when nothing did. */
  readonly error: string | null;
  readonly seconds: number;
}

/** A test that hangs fails by itself long before; the oracle's two worlds take minutes. */
const RUN_TIMEOUT = 20 * 60_000;
const STOP_TIMEOUT = 20_000;

/** Runs tests in copies of the project, with every temporary file below one folder. */
export class VitestRuns {
  private readonly children = new Set<ChildProcess>();
  private stopped = false;

  /**
   * @param temporary the folder for what the tests leave in `os.tmpdir()`
   * @param env variables besides the process's own
   */
  constructor(
    private readonly temporary: string,
    private readonly env: Readonly<Record<string, string>> = {},
  ) {}

  /** @param bail ends with the first test that fails */
  async run(
    folder: string,
    tests: readonly TestChoice[],
    { bail }: { readonly bail: boolean },
  ): Promise<TestReport> {
    const began = performance.now();
    const seconds = (): number => (performance.now() - began) / 1000;
    const none = { passed: [], failed: [] };
    if (this.stopped) return { ...none, error: 'stopped', seconds: 0 };
    const file = join(folder, 'report.json');
    rmSync(file, { force: true });
    const output = await this.vitest(folder, [
      ...new Set(tests.map((test) => test.file)),
      '-t',
      pattern(tests),
      ...(bail ? ['--bail=1', '--maxWorkers=1'] : []),
      '--reporter=json',
      `--outputFile=${file}`,
    ]);
    if (!existsSync(file))
      return { ...none, error: `vitest ended without a report: ${output}`, seconds: seconds() };
    const report = JSON.parse(readFileSync(file, 'utf8')) as JsonReport;
    return { ...readReport(report, folder, tests), seconds: seconds() };
  }

  /** Ends what runs; nothing is started after this. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all([...this.children].map(end));
  }

  /** @returns the end of its output */
  private vitest(folder: string, args: readonly string[]): Promise<string> {
    // In a group of its own: Ctrl-C reaches the runner alone, which ends it in order.
    const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...args], {
      cwd: folder,
      env: { ...process.env, ...this.env, NO_COLOR: '1', TMPDIR: this.temporary },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.children.add(child);
    let output = '';
    const read = (text: string): void => void (output = (output + text).slice(-2_000));
    child.stdout?.setEncoding('utf8').on('data', read);
    child.stderr?.setEncoding('utf8').on('data', read);
    const timer = setTimeout(() => void end(child), RUN_TIMEOUT);
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => {
        clearTimeout(timer);
        this.children.delete(child);
        resolve(output);
      });
    });
  }
}

/** Lets vitest end its server and the processes of the tests; kills it and what is of its group when it does not. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGINT');
  const timer = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, STOP_TIMEOUT);
  await closed;
  clearTimeout(timer);
}

function pattern(tests: readonly TestChoice[]): string {
  const names = new Set(tests.map(({ name }) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return [...names].join('|');
}

/** @param folder what the files' names are relative to */
export function readReport(
  { testResults }: JsonReport,
  folder: string,
  tests: readonly TestChoice[],
): Omit<TestReport, 'seconds'> {
  const ran = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'passed' || status === 'failed')
      .map((result) => ({ file: relative(folder, name), ...result })),
  );
  const chosen = ran.filter(({ file, fullName }) =>
    tests.some((test) => test.file === file && fullName.includes(test.name)),
  );
  const broken = testResults.find(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((result) => result.status === 'failed'),
  );
  return {
    passed: chosen
      .filter(({ status }) => status === 'passed')
      .map(({ file, fullName }) => ({ file, fullName })),
    failed: chosen
      .filter(({ status }) => status === 'failed')
      .map(({ file, fullName, failureMessages }) => {
        const [line = ''] = (failureMessages?.[0] ?? '').split('\n');
        return `${file} > ${fullName}: ${line.slice(0, 120)}`;
      }),
    error: broken === undefined ? null : `${relative(folder, broken.name)}: ${broken.message ?? ''}`,
  };
}

/** What is needed of vitest's JSON report. */
export interface JsonReport {
  readonly testResults: readonly {
    /** Absolute path. */
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}
