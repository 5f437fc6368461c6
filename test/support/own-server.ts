import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { chooseAccount } from '../../sample-app/postgres/account.js';
import { prepareBinaries } from '../../sample-app/postgres/binaries.js';
import type { PostgresServer } from '../../sample-app/postgres/server.js';

/** Starts a stopped server with the options of its last start, at the same port, as operators do. */
export async function startAgain({ dataDir }: PostgresServer): Promise<void> {
  const account = await chooseAccount(dataDir);
  const { pgCtl } = await prepareBinaries(account);
  const where = ['-D', join(dataDir, 'cluster'), '-l', join(dataDir, 'server.log')];
  await new Promise<void>((resolve, reject) => {
    const child = spawn(pgCtl, ['restart', ...where, '-w', '-s'], {
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
