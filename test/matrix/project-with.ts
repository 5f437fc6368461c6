import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyProject } from '../mutations/project-copy.js';
import type { Combination } from './combinations.js';
import { run } from './run.js';

/** What the copy's tests need beside the host's packages. */
const PLATFORMS = ['platform-express', 'platform-fastify'];
/** By Nest's major version. */
const TERMINUS: Readonly<Record<string, string>> = { '10': '10', '11': '11', '12': '12' };
const SWAGGER: Readonly<Record<string, string>> = { '10': '8', '11': '11', '12': '12' };

/** What npm has installed. */
export type Versions = Readonly<Record<'@nestjs/common' | '@nestjs/typeorm' | 'typeorm' | 'pg', string>>;

/**
 * Copies the project with its build into a folder, with packages of these versions in place of its own.
 * @param root the project, which has been built
 */
export async function projectWith(
  root: string,
  { nest, nestTypeorm, typeorm, pg }: Combination,
  folder: string,
): Promise<{ readonly project: string; readonly versions: Versions }> {
  const host = join(folder, 'host');
  const project = join(folder, 'project');
  await mkdir(host, { recursive: true });
  await writeFile(join(host, 'package.json'), '{ "private": true }');
  const [major = ''] = nest.split('.');
  await run('npm', host, [
    'install',
    '--no-audit',
    '--no-fund',
    // Of Nest's packages that the tests use, some name no TypeORM 1 yet.
    '--legacy-peer-deps',
    ...['common', 'core', ...PLATFORMS].map((name) => `@nestjs/${name}@${nest}`),
    `@nestjs/typeorm@${nestTypeorm}`,
    `@nestjs/terminus@${TERMINUS[major] ?? nest}`,
    `@nestjs/swagger@${SWAGGER[major] ?? nest}`,
    `typeorm@${typeorm}`,
    `pg@${pg}`,
    'reflect-metadata@0.2',
    'rxjs@7',
  ]);
  await copyProject(root, project);
  await cp(join(root, 'dist'), join(project, 'dist'), { recursive: true });
  const modules = join(project, 'node_modules');
  await rm(modules);
  // The last one wins.
  await link(join(root, 'node_modules'), modules);
  await link(join(host, 'node_modules'), modules);
  const names = ['@nestjs/common', '@nestjs/typeorm', 'typeorm', 'pg'] as const;
  const versions = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(join(host, 'node_modules', name, 'package.json'), 'utf8');
      return [name, (JSON.parse(text) as { readonly version: string }).version] as const;
    }),
  );
  return { project, versions: Object.fromEntries(versions) as Versions };
}

/** Links each package of one `node_modules` into another. */
async function link(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    const [source, target] = [join(from, name), join(to, name)];
    if (name === '@nestjs') await link(source, target);
    // Hidden files are npm's own; the commands are taken from the project.
    else if (!name.startsWith('.')) {
      await rm(target, { force: true, recursive: true });
      await symlink(source, target, 'junction');
    }
  }
}
