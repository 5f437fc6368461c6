import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';

const SOURCES = fileURLToPath(new URL('../src', import.meta.url));
const MAX_LINES = 250;
const MAX_FILES = 15;
/** Of the core with the IndexedDB store, minified and compressed. */
const MAX_KILOBYTES = 20;
/** The folders. */
const ROOMS = ['tanstack-db', 'sqlite', 'indexeddb', 'engine', 'timing', 'view', 'store', 'records', 'wire'];

const sources = new Map<string, string>();
beforeAll(async () => {
  const entries = await readdir(SOURCES, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter(({ name }) => name.endsWith('.ts'))) {
    const file = path.join(entry.parentPath, entry.name);
    sources.set(path.relative(SOURCES, file), await readFile(file, 'utf8'));
  }
});

const importsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^(?:import|export) [^;]*? from '([^']+)';/gm)].map(([, target = '']) => target);

describe('the client’s sources', () => {
  it('have files of at most 250 lines, in rooms that are known, of at most 15 files', () => {
    const long = [...sources].filter(([, text]) => text.trimEnd().split('\n').length > MAX_LINES);
    expect(long.map(([file]) => file)).toEqual([]);
    const rooms = new Map<string, string[]>();
    for (const file of sources.keys()) {
      const room = path.dirname(file);
      rooms.set(room, [...(rooms.get(room) ?? []), file]);
    }
    expect([...rooms.keys()].toSorted()).toEqual(['.', ...ROOMS].toSorted());
    expect([...rooms].filter(([, files]) => files.length > MAX_FILES)).toEqual([]);
  });

  it('import nothing but each other and idb, and types of TanStack DB, without a cycle', () => {
    const graph = new Map<string, readonly string[]>();
    for (const [file, text] of sources) {
      const isAdapter = path.dirname(file) === 'tanstack-db';
      const targets = importsOf(
        isAdapter ? text.replace(/^import type .* from '@tanstack\/db';$/m, '') : text,
      );
      const foreign = targets.filter((target) => !target.startsWith('.') && target !== 'idb');
      expect(foreign, file).toEqual([]);
      const own = targets.filter((target) => target.startsWith('.'));
      graph.set(
        file,
        own.map((target) => path.join(path.dirname(file), target).replace(/\.js$/, '.ts')),
      );
    }
    const done = new Set<string>();
    const visit = (file: string, way: readonly string[]): void => {
      expect(way.includes(file), [...way, file].join(' → ')).toBe(false);
      if (done.has(file)) return;
      for (const target of graph.get(file) ?? []) visit(target, [...way, file]);
      done.add(file);
    };
    for (const file of graph.keys()) visit(file, []);
    expect(done.size).toBe(sources.size);
  });

  it('weigh at most 20 KB with the IndexedDB store', async () => {
    const { outputFiles } = await build({
      stdin: {
        contents: `export { createSync } from './index.ts'; export { indexedDbStore } from './indexeddb/index.ts';`,
        resolveDir: SOURCES,
      },
      bundle: true,
      minify: true,
      format: 'esm',
      target: 'es2022',
      write: false,
    });
    const bytes = gzipSync(outputFiles[0]?.contents ?? '').length;
    expect(bytes).toBeGreaterThan(8_000);
    expect(bytes).toBeLessThanOrEqual(MAX_KILOBYTES * 1024);
  });
});
