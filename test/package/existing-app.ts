import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startAppProcess, type AppProcess } from '../support/app-process.js';
import type { TestDatabase } from '../support/database.js';
import { runNpm, runProgram } from '../support/run-program.js';

const SOURCES = fileURLToPath(new URL('apps', import.meta.url));

/** What most apps have. */
const NEST = '11';
const TYPEORM = '0.3';
const PACKAGES = [
  ...['common', 'core', 'platform-express', 'platform-fastify', 'typeorm', 'passport'].map(
    (name) => `@nestjs/${name}@${NEST}`,
  ),
  `typeorm@${TYPEORM}`,
  'pg@8',
  'passport@0.7',
  'passport-jwt@4',
  'class-transformer@0.5',
  'class-validator@0.14',
  'reflect-metadata@0.2',
  'rxjs@7',
  'typescript@5',
  'ts-node@10',
  '@types/node@20',
  '@types/passport-jwt@4',
];

const COMPILER = {
  target: 'ES2022',
  strict: true,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
  skipLibCheck: true,
  types: ['node'],
  outDir: 'dist',
  rootDir: 'src',
};
const MODULES = {
  commonjs: { module: 'commonjs', moduleResolution: 'node' },
  module: { module: 'nodenext', moduleResolution: 'nodenext' },
};

/** Installs the packages of apps of Nest 11 and TypeORM 0.3 into a folder, for all apps below it. */
export async function installApps(folder: string, tarball: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  await runNpm(['install', '--no-audit', '--no-fund', tarball, ...PACKAGES], { cwd: folder });
}

/** Compiles an app of `test/package/apps`, as one that has been there for long, with its own compiler and packages. */
export async function buildApp(folder: string, name: string, type: keyof typeof MODULES): Promise<string> {
  const app = join(folder, name);
  await cp(join(SOURCES, name), join(app, 'src'), { recursive: true });
  await writeFile(join(app, 'package.json'), JSON.stringify({ private: true, type }));
  const config = { compilerOptions: { ...COMPILER, ...MODULES[type] }, include: ['src'] };
  await writeFile(join(app, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(folder, 'node_modules', 'typescript', 'bin', 'tsc');
  await runProgram(process.execPath, [tsc, '-p', app], { cwd: app });
  return join(app, 'dist', 'main.js');
}

/** Runs the command of the package in the folder of an app. @throws Error with its output, if it fails */
export async function command(
  folder: string,
  name: string,
  database: TestDatabase,
  args: readonly string[],
): Promise<string> {
  const bin = join(folder, 'node_modules', 'nestjs-synchro', 'dist', 'lib', 'cli', 'main.js');
  const { stdout } = await runProgram(process.execPath, [bin, ...args], {
    cwd: join(folder, name),
    env: { DATABASE_URL: database.url },
  });
  return stdout;
}

export function startApp(
  main: string,
  database: TestDatabase,
  env: Readonly<Record<string, string>> = {},
): Promise<AppProcess> {
  return startAppProcess({ database, main, env });
}
