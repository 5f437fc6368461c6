import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LISTS, type Covers } from './support/cover-lists.js';

const covers = JSON.parse(readFileSync(new URL('hazards.json', import.meta.url), 'utf8')) as Covers;
const keys = LISTS.find(({ file }) => file === 'hazards.json')?.keys ?? [];
const rows = readFileSync(new URL('hazards.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^\| (W-|interleaving)/.test(line))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));

describe('hazards.md', () => {
  it('is about every hazard and every interleaving, in their order, as is hazards.json', () => {
    expect(rows.map(([, id]) => id)).toEqual(keys);
    expect(Object.keys(covers)).toEqual(keys);
  });

  it('says of each what goes wrong, what prevents it, and which tests prove that, or why there is none', () => {
    for (const [, id = '', fault = '', prevention = '', proof] of rows) {
      expect([fault, prevention], id).not.toContain('');
      const cover = covers[id] ?? [];
      const files =
        'exempt' in cover ? [] : [...new Set(cover.map((name) => name.split(' > ')[0] ?? ''))].toSorted();
      expect(proof, id).toBe(
        'exempt' in cover
          ? cover.exempt
          : files.map((file) => `[${file.replace('.test.ts', '')}](${file})`).join(', '),
      );
    }
  });
});
