import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/temporary-folder.js';
import { endLeftServers } from './left-servers.js';
import { editsOf, applyEdit, type Mutation } from './mutation.js';
import { MUTATIONS } from './mutations.js';
import { ORACLE_ENV, oracleLane } from './oracle-lane.js';
import { copyProject, type ProjectCopy } from './project-copy.js';
import { TypeChecker } from './type-checker.js';
import { VitestRuns, type TestReport } from './vitest-runs.js';

/** Copies of the project in which mutations are tried at the same time. */
const LANES = 2;

/** What became of one mutation. */
interface Outcome {
  readonly mutation: Mutation;
  /** `invalid`: the run says nothing about the suite, so that it counts like a survivor. */
  readonly kind: 'caught' | 'survived' | 'invalid';
  /** The test that failed, or what is wrong. */
  readonly detail: string;
  readonly seconds: number;
}

/**
 * Breaks a copy of the project on purpose, one mutation at a time, and looks whether the tests notice.
 *
 * Before that, the tests that are named must be there and pass without any mutation. A mutation is refused when its text
 * isn't found exactly once, or when the broken file does not compile with all types checked. It is caught when at least
 * one test that ran has failed; a hook or an import that fails, no test at all, and a run that does not end are not that.
 *
 * A second lane does the same for losses and leaks with the oracle alone: `--oracle` runs that lane only, `--tests` the
 * first one only.
 *
 * @param root of the project
 * @param args names of mutations, by default all, and the lane
 * @returns the exit code: 0 when every one was caught
 */
export async function testMutations(root: string, args: readonly string[]): Promise<number> {
  const names = args.filter((arg) => !arg.startsWith('--'));
  const chosen = (all: readonly Mutation[]): readonly Mutation[] =>
    all.filter(({ name }) => names.length === 0 || names.includes(name));
  const lane = oracleLane(MUTATIONS);
  const isOracleOnly = args.includes('--oracle');
  const problem = problemOf(args, isOracleOnly ? lane : MUTATIONS);
  if (problem !== null) {
    process.stderr.write(`${problem}\n`);
    return 1;
  }
  const first = isOracleOnly ? 0 : await testAll(root, chosen(MUTATIONS), {});
  if (first !== 0 || args.includes('--tests')) return first;
  return testAll(root, chosen(lane), ORACLE_ENV);
}

/** What is wrong with a command line; null: nothing. */
function problemOf(args: readonly string[], mutations: readonly Mutation[]): string | null {
  const [option] = args.filter((arg) => arg.startsWith('--') && !['--oracle', '--tests'].includes(arg));
  if (option !== undefined) return `There is no option ${option}; there are --oracle and --tests.`;
  const unknown = args.filter((arg) => !arg.startsWith('--') && !mutations.some(({ name }) => name === arg));
  if (unknown.length === 0) return null;
  const where = args.includes('--oracle') ? " in the oracle's lane" : '';
  return `There is no mutation ${unknown.join(', ')}${where}.`;
}

/** @param env for the tests, besides the process's own */
async function testAll(
  root: string,
  mutations: readonly Mutation[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  if (mutations.length === 0) return 0;
  const folder = await temporaryFolder();
  const runs = new VitestRuns(folder, env);
  let interrupted = false;
  const interrupt = (): void => {
    interrupted = true;
    void runs.stop();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    const began = performance.now();
    const lanes = await Promise.all(
      Array.from({ length: Math.min(LANES, mutations.length) }, (_, lane) =>
        copyProject(root, join(folder, `lane-${lane}`)),
      ),
    );
    const problem = await problemBefore(root, mutations, lanes, runs);
    if (problem !== null) {
      process.stderr.write(interrupted ? 'interrupted\n' : `${problem}\n`);
      return 1;
    }
    const outcomes = await tryAll(mutations, lanes, runs, () => interrupted);
    if (interrupted) {
      process.stderr.write('interrupted\n');
      return 1;
    }
    return summarize(outcomes, performance.now() - began);
  } finally {
    await runs.stop();
    endLeftServers(folder);
    await rm(folder, { recursive: true, force: true });
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

/** Why no mutation can be tried; null when all can. */
async function problemBefore(
  root: string,
  mutations: readonly Mutation[],
  [copy]: readonly ProjectCopy[],
  runs: VitestRuns,
): Promise<string | null> {
  const packages = ['lib', 'client', 'sample-app'].filter((name) =>
    mutations.some(({ file }) => file.startsWith(`${name}/`)),
  );
  const checkers = new Map(packages.map((name) => [name, new TypeChecker(root, `${name}/tsconfig.json`)]));
  const refused: string[] = [];
  for (const mutation of mutations) {
    try {
      const checker = checkers.get(mutation.file.split('/')[0] ?? '');
      if (!checker) throw new Error(`${mutation.file} is in no package`);
      const files = broken(mutation, (file) => checker.text(file));
      for (const error of checker.problems(files)) refused.push(`${mutation.name}: ${error}`);
    } catch (error) {
      refused.push(`${mutation.name}: ${String(error)}`);
    }
  }
  if (refused.length > 0) return `Mutations that can't be tried:\n- ${refused.join('\n- ')}`;
  process.stdout.write(`${mutations.length} mutations compile; the tests without any of them …\n`);

  if (!copy) return 'There are no mutations.';
  const tests = mutations.flatMap((mutation) => mutation.tests);
  const report = await runs.run(copy.folder, tests, { bail: false });
  if (report.error !== null) return `The tests did not run: ${report.error}`;
  if (report.failed.length > 0) return `Tests fail without a mutation:\n- ${report.failed.join('\n- ')}`;
  const missing = tests.filter(
    ({ file, name }) => !report.passed.some((test) => test.file === file && test.fullName.includes(name)),
  );
  if (missing.length > 0)
    return `Tests that there are none of:\n- ${missing.map(({ file, name }) => `${file} > ${name}`).join('\n- ')}`;
  process.stdout.write(`${report.passed.length} tests pass in ${report.seconds.toFixed(0)} s\n`);
  return null;
}

/** Each lane takes the next mutation when it is done with one. */
async function tryAll(
  mutations: readonly Mutation[],
  lanes: readonly ProjectCopy[],
  runs: VitestRuns,
  isInterrupted: () => boolean,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  const waiting = [...mutations];
  await Promise.all(
    lanes.map(async (copy) => {
      for (let next = waiting.shift(); next && !isInterrupted(); next = waiting.shift()) {
        const outcome = await tryOne(next, copy, runs);
        if (isInterrupted()) return;
        outcomes.push(outcome);
        const { mutation, kind, detail, seconds } = outcome;
        const count = `${String(outcomes.length).padStart(3)}/${mutations.length}`;
        process.stdout.write(`${count} ${kind} in ${seconds.toFixed(1)} s: ${mutation.name} (${detail})\n`);
      }
    }),
  );
  return mutations.flatMap((mutation) => outcomes.find((outcome) => outcome.mutation === mutation) ?? []);
}

async function tryOne(mutation: Mutation, copy: ProjectCopy, runs: VitestRuns): Promise<Outcome> {
  const restore = copy.write(broken(mutation, (file) => copy.text(file)));
  try {
    const report = await runs.run(copy.folder, mutation.tests, { bail: true });
    return { mutation, ...judge(report), seconds: report.seconds };
  } finally {
    restore();
  }
}

/** What a report says of the suite. */
export function judge({ error, failed, passed }: TestReport): Pick<Outcome, 'kind' | 'detail'> {
  const [first] = failed;
  if (first !== undefined) return { kind: 'caught', detail: first };
  if (error !== null) return { kind: 'invalid', detail: error };
  return passed.length === 0
    ? { kind: 'invalid', detail: 'no test ran' }
    : { kind: 'survived', detail: `${passed.length} tests passed` };
}

/** The mutation's files as it leaves them. */
function broken(mutation: Mutation, textOf: (file: string) => string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const edit of editsOf(mutation)) {
    texts.set(edit.file, applyEdit(texts.get(edit.file) ?? textOf(edit.file), edit));
  }
  return texts;
}

function summarize(outcomes: readonly Outcome[], milliseconds: number): number {
  const width = Math.max(...outcomes.map(({ mutation }) => mutation.name.length));
  const rows = outcomes.map(
    ({ mutation, kind, detail, seconds }) =>
      `${mutation.name.padEnd(width)} ${seconds.toFixed(1).padStart(6)} s  ${kind === 'caught' ? '' : `${kind.toUpperCase()}: `}${detail}`,
  );
  const caught = outcomes.filter(({ kind }) => kind === 'caught').length;
  const minutes = (milliseconds / 60_000).toFixed(1);
  process.stdout.write(
    `\n${rows.join('\n')}\n\n${caught} of ${outcomes.length} mutations caught in ${minutes} minutes\n`,
  );
  return caught === outcomes.length ? 0 : 1;
}
