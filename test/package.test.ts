import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  installedScript,
  installInto,
  pack,
  readManifest,
  type Manifest,
  type PackedPackage,
} from './support/packed.js';
import { runProgram } from './support/run-program.js';
import { testFolder } from './support/run.js';

const LIB = fileURLToPath(new URL('../lib', import.meta.url));
const MAP_COMMENT = /^\/\/# sourceMappingURL=(.+)$/m;

describe('the package that hosts install', () => {
  let folder: string;
  let packed: PackedPackage;
  /** Where the package is installed, with what it declares and nothing else. */
  let installed: string;
  let manifest: Manifest;

  beforeAll(async () => {
    folder = await testFolder();
    await writeFile(join(folder, 'package.json'), '{ "name": "host", "type": "module" }');
    packed = await pack(folder);
    installed = await installInto(folder, packed, ['@types/node']);
    manifest = await readManifest(installed);
  });

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('holds the build of lib/ with its types and maps, and what a user reads; nothing else', async () => {
    const names = (await sources()).map((path) => path.replace(/ts$/, ''));
    const built = names.flatMap((name) =>
      ['js', 'js.map', 'd.ts'].map((ending) => `dist/lib/${name}${ending}`),
    );
    const commonJs = names
      .filter((name) => !name.startsWith('cli/'))
      .flatMap((name) => ['js', 'd.ts'].map((ending) => `dist/cjs/${name}${ending}`));
    const read = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', 'dist/cjs/package.json'];
    expect(packed.files).toEqual([...built, ...commonJs, ...read].toSorted());
  });

  it('has maps that carry their sources, which are not in it', async () => {
    const scripts = packed.files.filter((path) => path.endsWith('.js') && !path.startsWith('dist/cjs/'));
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) {
      const [, map = ''] = MAP_COMMENT.exec(await read(script)) ?? [];
      const path = posix.join(posix.dirname(script), map);
      expect(packed.files, `${script} names its map`).toContain(path);
      const { sources: names, sourcesContent: texts = [] } = JSON.parse(await read(path)) as SourceMap;
      expect(texts.filter((text) => typeof text === 'string').length, path).toBe(names.length);
    }
    for (const types of packed.files.filter((path) => path.endsWith('.d.ts'))) {
      expect(MAP_COMMENT.test(await read(types)), `${types} has no map`).toBe(false);
    }
  });

  it('passes publint', async () => {
    const { buffer } = new Uint8Array(await readFile(packed.tarball));
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  it('has types that are found where the code is, by ES modules, bundlers and CommonJS', async () => {
    const rules = ['--profile', 'strict'];
    const attw = installedScript('@arethetypeswrong/cli/dist/index.js');
    await runProgram(process.execPath, [attw, packed.tarball, ...rules], { cwd: folder });
  });

  it('loads by each of its entries, with no package that it does not declare', async () => {
    const entries = Object.keys(manifest.exports).map((path) => posix.join(manifest.name, path));
    expect(entries).toEqual(['nestjs-synchro', 'nestjs-synchro/testing', 'nestjs-synchro/package.json']);
    const [main, testing, json] = await inHost<[string[], string[], { default: Manifest }]>(`[
      Object.keys(await import('nestjs-synchro')),
      Object.keys(await import('nestjs-synchro/testing')),
      await import('nestjs-synchro/package.json', { with: { type: 'json' } }),
    ]`);
    expect(main).toEqual(expect.arrayContaining(['SynchroModule', 'SyncTable', 'synchroMigrations']));
    expect(testing).toEqual(['LiveChannel', 'SyncDevice', 'SyncDeviceError', 'caughtUp']);
    expect(json.default.name).toBe(manifest.name);
  });

  it('is one copy for who imports and who requires it, and another for Jest [W-HOST-89]', async () => {
    const [same, jest] = await inHost<[boolean, string[]]>(`(async () => {
      const { createRequire } = await import('node:module');
      const require = createRequire(process.cwd() + '/host.js');
      const names = ['nestjs-synchro', 'nestjs-synchro/testing'];
      const [main, testing] = await Promise.all(names.map((name) => import(name)));
      const required = names.map((name) => require(name));
      const copies = ['dist/cjs/index.js', 'dist/cjs/testing/index.js'].map((file) =>
        Object.keys(require(process.cwd() + '/node_modules/nestjs-synchro/' + file)));
      return [
        main.SynchroModule === required[0].SynchroModule && testing.SyncDevice === required[1].SyncDevice,
        copies.map((keys, index) => String(keys.toSorted()) === String(Object.keys(required[index]).toSorted())),
      ];
    })()`);
    expect(same).toBe(true);
    expect(jest).toEqual([true, true]);
  });

  it('keeps its files to itself', async () => {
    const paths = ['dist/lib/index.js', 'dist/lib/synchro.module.js', 'lib/index.ts', 'testing/index.js'];
    const codes = await inHost<string[]>(`Promise.all(${JSON.stringify(paths)}.map((path) =>
      import('nestjs-synchro/' + path).then(() => 'reachable', (error) => error.code)))`);
    expect(codes).toEqual(paths.map(() => 'ERR_PACKAGE_PATH_NOT_EXPORTED'));
  });

  it('has types that a strict host can check, with nothing but what npm installs for it', async () => {
    const files = ['host.ts', 'host.cts'];
    for (const file of files) await writeFile(join(folder, file), HOST);
    const compilerOptions = {
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023'],
      types: ['node'],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      experimentalDecorators: true,
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    await runProgram(process.execPath, [installedScript('typescript/bin/tsc'), '-p', folder], {
      cwd: folder,
    });
  });

  it('installs commands that run', async () => {
    for (const [name, path] of Object.entries(manifest.bin ?? {})) {
      expect(packed.files, name).toContain(posix.normalize(path));
      expect(await read(path), name).toMatch(/^#!\/usr\/bin\/env node\n/);
      const { stdout } = await runProgram(process.execPath, [join(installed, path), '--help'], {
        cwd: folder,
      });
      expect(stdout).toContain(name);
    }
  });

  it('shares with its host what must not exist twice, and brings the rest', () => {
    // Each of them has an identity that the host's own code meets: injection tokens, metadata, connections.
    const peers = ['@nestjs/common', '@nestjs/core', '@nestjs/typeorm', 'pg', 'reflect-metadata', 'rxjs'];
    expect(Object.keys(manifest.peerDependencies)).toEqual([...peers, 'typeorm']);
    for (const peer of Object.keys(manifest.peerDependencies)) {
      expect(manifest.dependencies).not.toHaveProperty([peer]);
    }
  });

  async function read(path: string): Promise<string> {
    return readFile(join(installed, path), 'utf8');
  }

  /** What an expression is in an app that has the package, by way of JSON. */
  async function inHost<Value>(expression: string): Promise<Value> {
    const script = `console.log(JSON.stringify(await (${expression})))`;
    const args = ['--no-warnings', '--input-type=module', '-e', script];
    const { stdout } = await runProgram(process.execPath, args, { cwd: folder });
    return JSON.parse(stdout) as Value;
  }
});

interface SourceMap {
  readonly sources: readonly string[];
  readonly sourcesContent?: readonly unknown[];
}

async function sources(): Promise<readonly string[]> {
  const entries = await readdir(LIB, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(LIB, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

/** The second use of the connection fails to compile if its type is anything but `pg`'s own. */
const HOST = `
import { SynchroModule, SyncTable, type ReplicationOptions } from 'nestjs-synchro';
import { SyncDevice } from 'nestjs-synchro/testing';

@SyncTable({ ownerColumn: 'user_id' })
export class Task {}

export const replication: ReplicationOptions = { connection: { host: 'replica.example.org' } };
// @ts-expect-error: a host is a text
export const wrong: ReplicationOptions = { connection: { host: 5432 } };
export const sync = SynchroModule.forRoot({ replication });
export const device = new SyncDevice({ target: 'http://localhost:3000/sync' });
`;
