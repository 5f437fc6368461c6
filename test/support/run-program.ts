import { spawn } from 'node:child_process';
import { recordProcess } from './run.js';

export interface ProgramOptions {
  readonly cwd: string;
  /** Variables that replace those of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ProgramOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, without a terminal, so that it asks nothing.
 * @throws Error with everything that it wrote, if it fails
 */
export async function runProgram(
  program: string,
  args: readonly string[],
  options: ProgramOptions,
): Promise<ProgramOutput> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: '1', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) recordProcess(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code === 0) return { stdout, stderr };
  throw new Error(`${program} ${args.join(' ')} ended with code ${String(code)}:\n${stdout}\n${stderr}`);
}

/** Runs the npm that runs the tests, or the one of the PATH. */
export async function runNpm(args: readonly string[], options: ProgramOptions): Promise<ProgramOutput> {
  const npm = process.env['npm_execpath'];
  return npm?.endsWith('.js') === true
    ? runProgram(process.execPath, [npm, ...args], options)
    : runProgram('npm', args, options);
}
