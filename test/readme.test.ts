import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine } from '../lib/cli/command-line.js';
import { readPage, readPages, snippetsOf, tablesUnder, type Page, type Snippet } from './support/readme.js';

let pages: readonly Page[];
let snippets: readonly Snippet[];
let scripts: Readonly<Record<string, string>>;
let bin: Readonly<Record<string, string>>;

beforeAll(async () => {
  pages = await readPages();
  snippets = pages.flatMap((page) => snippetsOf(page));
  const manifest = JSON.parse(await read('package.json')) as Record<string, Record<string, string>>;
  scripts = manifest['scripts'] ?? {};
  bin = manifest['bin'] ?? {};
});

function read(path: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
}

describe('the examples', () => {
  it('are marked, so that they are compiled and run, and have names of their own', () => {
    const runnable = snippets.filter(({ language }) => ['ts', 'js', 'sql'].includes(language));
    expect(runnable.filter(({ kind }) => kind === null).map(({ page, line }) => `${page}:${line}`)).toEqual(
      [],
    );
    const names = runnable.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(snippets.map(({ language }) => language).filter((each) => !LANGUAGES.has(each))).toEqual([]);
  });

  it('name commands that there are', () => {
    const lines = snippets
      .filter(({ language }) => language === 'sh')
      .flatMap(({ code }) => code.split('\n'));
    const commands = lines.flatMap((line) => line.split('&&')).map((command) => command.trim());
    const inText = [...allText().matchAll(/`(np[mx] [^`]+)`/g)].map(([, command = '']) => command);
    expect([...commands, ...inText].filter((command) => !isCommand(command))).toEqual([]);
    expect(commands.length).toBeGreaterThan(4);
  });

  it('name options of the command line that there are', async () => {
    const [options = []] = tablesUnder(await readPage('docs/cli.md'), '## Options of doctor');
    const named = [...allText().matchAll(/npx nestjs-synchro [^`\n]+/g)].flatMap(
      ([line]) => line.match(/--[a-z-]+/g) ?? [],
    );
    const all = [...named, ...options.map(([option = '']) => option.split(' ')[0] ?? '')];
    expect(all.filter((option) => !OPTIONS.includes(option))).toEqual([]);
    expect(all.length).toBeGreaterThan(9);
  });
});

const CLI = commandLine({ out: () => undefined, err: () => undefined }, () => undefined);
const COMMANDS = CLI.commands.map((command) => command.name());
const OPTIONS = ['--help', ...CLI.commands.flatMap(({ options }) => options.map(({ long }) => long ?? ''))];

/** `typescript`, `tsx`, `vue`: of the client's pages, which client/test/docs.test.ts compiles. */
const LANGUAGES = new Set(['ts', 'typescript', 'tsx', 'vue', 'sql', 'sh', 'yaml', 'mermaid', 'json', 'text']);

/** Of who works on the repository: not the package's own. */
const TOOLS: ReadonlySet<string> = new Set(['vitest', 'prettier', 'oxlint', 'tsc']);

function allText(): string {
  return pages.map(({ text }) => text).join('\n');
}

function isCommand(command: string): boolean {
  // What stands before the program is its environment.
  const [program, name = '', argument = ''] = command.replace(/^(?:[A-Z_]+=\S+ )+/, '').split(' ');
  if (program === 'git' || program === 'cd') return true;
  if (program === 'npx') return TOOLS.has(name) || (name in bin && COMMANDS.includes(argument));
  if (program !== 'npm') return false;
  if (name === 'install') return ['nestjs-synchro', 'nestjs-synchro-client'].includes(argument);
  if (name === 'create') return argument === 'vite@latest';
  return name === 'ci' || (name === 'run' ? argument in scripts : name in scripts);
}

describe('the reference’s configuration page', () => {
  it('has a test for each line of the mapping, and a line for each test', async () => {
    const tests = JSON.parse(await read('test/configuration-page.json')) as Record<string, readonly string[]>;
    const rows = tablesUnder(
      await readPage('docs/migrating-from-go.md'),
      '# Migrating from the Go server',
    ).flat();
    const names = rows.map(([name = '']) => name);
    expect(names.length).toBeGreaterThan(90);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(tests).toSorted()).toEqual(names.toSorted());
    expect(Object.entries(tests).filter(([, covering]) => covering.length === 0)).toEqual([]);
    expect(rows.filter(([, here]) => !here)).toEqual([]);
  });
});
