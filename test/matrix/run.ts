import { execFile } from 'node:child_process';

/**
 * Runs npm, or a script by Node, to its end.
 * @returns what it wrote, and its exit code
 * @throws Error when npm fails
 */
export async function run(
  program: 'npm' | 'node',
  cwd: string,
  args: readonly string[],
): Promise<{ readonly output: string; readonly code: number }> {
  const [file, all] = program === 'node' ? [process.execPath, args] : npm(args);
  return new Promise((resolve, reject) => {
    execFile(file, all, { cwd, maxBuffer: 1 << 28, env: childEnv() }, (error, stdout, stderr) => {
      const output = `${stdout}\n${stderr}`;
      if (error && program === 'npm') reject(new Error(`npm ${args.join(' ')}: ${output}`, { cause: error }));
      else resolve({ output, code: error ? 1 : 0 });
    });
  });
}

/** The npm that runs the tests, or the one of the PATH. */
function npm(args: readonly string[]): [string, readonly string[]] {
  const path = process.env['npm_execpath'];
  return path?.endsWith('.js') === true ? [process.execPath, [path, ...args]] : ['npm', args];
}

/** A vitest that is run by another one takes itself for one of its workers. */
function childEnv(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|VITE_|NODE_ENV$|TEST$)/.test(name));
  return Object.fromEntries(own);
}
