import { mkdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runNpm, runProgram } from './run-program.js';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

export interface Manifest {
  readonly name: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly bin?: Readonly<Record<string, string>>;
}

export interface PackedPackage {
  readonly tarball: string;
  /** Paths within the package, sorted. */
  readonly files: readonly string[];
}

/**
 * Packs what the last build made, as `npm publish` would; `npm test` builds first.
 * @param workspace Default: the repository's own package.
 */
export async function pack(folder: string, workspace = '.'): Promise<PackedPackage> {
  // Its `prepack` would build again, under the feet of tests that run the build.
  const options = ['--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await runNpm(['pack', ...options], { cwd: join(PROJECT, workspace) });
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  if (!packed) throw new Error(`npm pack made nothing: ${stdout}`);
  return { tarball: join(folder, packed.filename), files: packed.files.map(({ path }) => path).toSorted() };
}

export async function readManifest(folder = PROJECT): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/**
 * Puts the package into the `node_modules` of a folder, beside what it declares and nothing else: an import of
 * anything that it has only by chance does not resolve.
 *
 * @param others Further packages that this project has, such as `@types/node`.
 * @returns where the package is
 */
export async function installInto(
  folder: string,
  { tarball }: PackedPackage,
  others: readonly string[] = [],
): Promise<string> {
  const modules = join(folder, 'node_modules');
  const target = join(modules, 'nestjs-synchro');
  await mkdir(target, { recursive: true });
  await runProgram('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'], { cwd: folder });
  const { dependencies, peerDependencies } = await readManifest(target);
  for (const name of [...Object.keys(dependencies), ...Object.keys(peerDependencies), ...others]) {
    const link = join(modules, ...name.split('/'));
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(PROJECT, 'node_modules', ...name.split('/')), link, 'junction');
  }
  return target;
}

/** A program of this project's development dependencies, to be run by Node. */
export function installedScript(path: string): string {
  return join(PROJECT, 'node_modules', ...path.split('/'));
}
