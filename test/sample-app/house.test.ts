import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';

const APP = path.resolve(import.meta.dirname, '../../sample-app');
const MAX_LINES = 250;
const MAX_FILES = 15;

const isPage = (file: string): boolean => file.startsWith(`web${path.sep}`);

const sources = new Map<string, string>();
beforeAll(async () => {
  const entries = await readdir(APP, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter(({ name }) => /\.(?:tsx?|mjs|css|html)$/.test(name))) {
    const file = path.join(entry.parentPath, entry.name);
    sources.set(path.relative(APP, file), await readFile(file, 'utf8'));
  }
});

describe('the sources of the sample app', () => {
  it('have files of at most 250 lines, at most 15 side by side', () => {
    const long = [...sources].filter(([, text]) => text.trimEnd().split('\n').length > MAX_LINES);
    expect(long.map(([file]) => file)).toEqual([]);
    const counts = new Map<string, number>();
    for (const file of sources.keys()) {
      const folder = path.dirname(file);
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    expect([...counts].filter(([, count]) => count > MAX_FILES)).toEqual([]);
    expect(sources.size).toBeGreaterThan(40);
  });

  it('keep the page apart from the app: neither imports the other, and the page no part of nestjs-synchro', () => {
    const imports = [...sources].flatMap(([file, text]) =>
      [...text.matchAll(/ from '([^']+)';/g)].map(([, target = '']) => ({ file, target })),
    );
    const wrong = imports.filter(({ file, target }) => {
      if (!target.startsWith('.'))
        return isPage(file) && /^(?:@nestjs\/|typeorm|nestjs-synchro$)/.test(target);
      return isPage(file) !== isPage(path.join(path.dirname(file), target));
    });
    expect(wrong).toEqual([]);
    expect(imports.filter(({ file }) => isPage(file)).length).toBeGreaterThan(40);
  });
});
