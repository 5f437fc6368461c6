import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, it } from 'vitest';
import { ALONE } from './support/shared-processes.js';

/** What the next file of the same process would find. */
const STAYS = /\bvi\.(mock|stubEnv|stubGlobal)\(|\bLogger\.overrideLogger\(/;

it('files that mock modules, or replace variables or loggers, have a process of their own', async () => {
  const files = (await readdir(import.meta.dirname, { recursive: true }))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => ({ file, pattern: `test/**/${basename(file)}` }));
  expect(ALONE.filter((alone) => !files.some(({ pattern }) => pattern === alone))).toEqual([]);
  const leaving: string[] = [];
  for (const { file, pattern } of files)
    if (STAYS.test(await readFile(join(import.meta.dirname, file), 'utf8')) && !ALONE.includes(pattern))
      leaving.push(file);
  expect(leaving).toEqual([]);
});
