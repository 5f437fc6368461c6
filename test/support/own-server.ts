import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseAccount } from '../../sample-app/postgres/account.js';
import { prepareBinaries } from '../../sample-app/postgres/binaries.js';
import type { PostgresServer } from '../../sample-app/postgres/server.js';

/**
 * Starts a server, stopped or not, with the options of its last start, at the same port, as operators do.
 * @param forgotten settings of its command line that are left out, so that those of ALTER SYSTEM count
 */
export async function startAgain(
  { dataDir }: PostgresServer,
  forgotten: readonly string[] = [],
): Promise<void> {
  const account = await chooseAccount(dataDir);
  const { pgCtl } = await prepareBinaries(account);
  const where = ['-D', join(dataDir, 'cluster'), '-l', join(dataDir, 'server.log')];
  await new Promise<void>((resolve, reject) => {
    const options = forgotten.length === 0 ? [] : ['-o', flagsWithout(dataDir, forgotten)];
    const child = spawn(pgCtl, ['restart', ...where, '-w', '-s', ...options], {
      ...account,
      cwd: '/',
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
      stdio: 'ignore',
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${pgCtl} ended with code ${code}`));
    });
  });
}

/** Whether a fast stop took so long that an immediate one had to end it. */
export async function wasForced({ dataDir }: PostgresServer): Promise<boolean> {
  const log = await readFile(join(dataDir, 'server.log'), 'utf8');
  if (!log.includes('received fast shutdown request')) throw new Error(`it was not stopped:\n${log}`);
  return log.includes('received immediate shutdown request');
}

/** The `-c name=value` of the last start. */
function flagsWithout(dataDir: string, names: readonly string[]): string {
  const line = readFileSync(join(dataDir, 'cluster', 'postmaster.opts'), 'utf8');
  return [...line.matchAll(/"-c" "(\w+)=([^"]*)"/g)]
    .filter(([, name = '']) => !names.includes(name))
    .map(([, name, value]) => `-c ${name}=${value}`)
    .join(' ');
}
