import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ALONE } from './support/shared-processes.js';

const ROOT = join(import.meta.dirname, '..');
/** What the next file of the same process would find. */
const STAYS = /\bvi\.(mock|stubEnv|stubGlobal)\(|\bLogger\.overrideLogger\(/;

it('files that mock modules, or replace variables or loggers, have a process of their own', async () => {
  const files = (await readdir(import.meta.dirname, { recursive: true }))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => `test/${file.replaceAll('\\', '/')}`);
  expect(ALONE.filter((file) => !files.includes(file))).toEqual([]);
  const leaving: string[] = [];
  for (const file of files)
    if (STAYS.test(await readFile(join(ROOT, file), 'utf8')) && !ALONE.includes(file)) leaving.push(file);
  expect(leaving).toEqual([]);
});
