import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../lib/cli/commands.js';
import { readSettings } from '../lib/synchro.settings.js';
import { parseDuration } from '../lib/common/duration.js';
import { readReadme, snippetsOf, tablesUnder, type Snippet } from './support/readme.js';

const PAGE = "## From the reference's configuration page";

let markdown: string;
let snippets: readonly Snippet[];
let scripts: Readonly<Record<string, string>>;
let bin: Readonly<Record<string, string>>;

beforeAll(async () => {
  markdown = await readReadme();
  snippets = snippetsOf(markdown);
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
    expect(runnable.filter(({ kind }) => kind === null).map(({ line }) => `line ${line}`)).toEqual([]);
    const names = runnable.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(snippets.map(({ language }) => language).filter((each) => !LANGUAGES.has(each))).toEqual([]);
  });

  it('name commands that there are', () => {
    const lines = snippets
      .filter(({ language }) => language === 'sh')
      .flatMap(({ code }) => code.split('\n'));
    const commands = lines.flatMap((line) => line.split('&&')).map((command) => command.trim());
    const inText = [...markdown.matchAll(/`(np[mx] [^`]+)`/g)].map(([, command = '']) => command);
    expect([...commands, ...inText].filter((command) => !isCommand(command))).toEqual([]);
    expect(commands.length).toBeGreaterThan(4);
  });

  it('name options of the command line that there are', async () => {
    const usage = await read('lib/cli/run.ts');
    const [options = []] = tablesUnder(markdown, '### The command line');
    const named = [...markdown.matchAll(/npx nestjs-synchro [^`\n]+/g)].flatMap(
      ([line]) => line.match(/--[a-z-]+/g) ?? [],
    );
    const all = [...named, ...options.map(([option = '']) => option.split(' ')[0] ?? '')];
    expect(all.filter((option) => !usage.includes(`${option} `))).toEqual([]);
    expect(all.length).toBeGreaterThan(9);
  });
});

const LANGUAGES = new Set(['ts', 'sql', 'sh', 'mermaid']);

function isCommand(command: string): boolean {
  // What stands before the program is its environment.
  const [program, name = '', argument = ''] = command.replace(/^(?:[A-Z_]+=\S+ )+/, '').split(' ');
  if (program === 'npx') return name in bin && COMMANDS.has(argument);
  if (program !== 'npm') return false;
  if (name === 'install') return argument === 'nestjs-synchro';
  return name === 'ci' || (name === 'run' ? argument in scripts : name in scripts);
}

describe('the tables of options', () => {
  it('name every option of the module, and nothing else', async () => {
    const members = await interfacesOf('lib/synchro.options.ts');
    const names = ['SynchroOptions', 'SynchroModuleExtras'].flatMap((name) => flatten(members, name));
    expect(
      optionRows(0)
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(names.toSorted());
  });

  it('mark what stays beside the factory of forRootAsync', async () => {
    const extras = (await interfacesOf('lib/synchro.options.ts')).get('SynchroModuleExtras');
    const marked = optionRows(0).filter(([, , isMarked]) => isMarked);
    expect(marked.map(([name]) => name).toSorted()).toEqual([...(extras?.keys() ?? [])].toSorted());
  });

  it('name every option of @SyncTable, and nothing else', async () => {
    const names = flatten(
      await interfacesOf('lib/registry/sync-table.options.ts'),
      'SyncTableOptions',
      false,
    );
    expect(
      optionRows(1)
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(names.toSorted());
  });

  it('name every option of synchroRlsSql, and nothing else', async () => {
    const names = flatten(await interfacesOf('lib/store/rls.ts'), 'RlsOptions');
    const [rows = []] = tablesUnder(markdown, '## Migrations and row-level security');
    expect(rows.map(([name = '']) => name).toSorted()).toEqual(names.toSorted());
  });

  it('tell the defaults that the settings have', () => {
    const settings = readSettings({ compaction: {}, replication: {} });
    const given = new Map(optionRows(0).map(([name, value]) => [name, value]));
    const wrong = leaves(settings).filter(([name, value]) => valueOf(given.get(name) ?? '') !== value);
    expect(wrong).toEqual([]);
    expect(leaves(settings).length).toBeGreaterThan(5);
  });
});

/** Name, default, and whether it is marked. */
function optionRows(index: number): readonly (readonly [name: string, value: string, isMarked: boolean])[] {
  const rows = tablesUnder(markdown, '## Options')[index] ?? [];
  return rows.map(([name = '', value = '']) => [name.replace(' ●', ''), value, name.endsWith('●')]);
}

/** Paths of all settings that are numbers, or null for none. */
function leaves(settings: object, path = ''): readonly (readonly [string, number | null])[] {
  return Object.entries(settings).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value === 'number' || value === null) return [[path + name, value] as const];
    return typeof value === 'object' ? leaves(value, `${path}${name}.`) : [];
  });
}

function valueOf(text: string): number | null {
  if (text === 'none') return null;
  const [, mebibytes] = /^(\d+) MiB$/.exec(text) ?? [];
  if (mebibytes !== undefined) return Number(mebibytes) * 1024 * 1024;
  const digits = text.replaceAll(' ', '');
  return /^\d+$/.test(digits) ? Number(digits) : parseDuration('the README', text);
}

/** The members of each interface of a file, with the names of the types that they mention. */
async function interfacesOf(path: string): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const source = ts.createSourceFile(path, await read(path), ts.ScriptTarget.Latest, true);
  const interfaces = new Map<string, ReadonlyMap<string, string>>();
  for (const statement of source.statements) {
    if (!ts.isInterfaceDeclaration(statement)) continue;
    const members = statement.members.filter((member) => ts.isPropertySignature(member));
    interfaces.set(
      statement.name.text,
      new Map(members.map((member) => [member.name.getText(), member.type?.getText() ?? ''])),
    );
  }
  return interfaces;
}

/** The options of an interface, with those of the interfaces that they hold as `outer.inner`. */
function flatten(
  interfaces: ReadonlyMap<string, ReadonlyMap<string, string>>,
  name: string,
  isDeep = true,
): readonly string[] {
  return [...(interfaces.get(name) ?? [])].flatMap(([member, type]) => {
    const inner = isDeep
      ? [...interfaces.keys()].find((each) => new RegExp(`\\b${each}\\b`).test(type))
      : undefined;
    return [member, ...(inner ? flatten(interfaces, inner).map((each) => `${member}.${each}`) : [])];
  });
}

describe('the reference’s configuration page', () => {
  it('has a test for each line of the README’s mapping, and a line for each test', async () => {
    const tests = JSON.parse(await read('test/configuration-page.json')) as Record<string, readonly string[]>;
    const rows = tablesUnder(markdown, PAGE).flat();
    const names = rows.map(([name = '']) => name);
    expect(names.length).toBeGreaterThan(90);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(tests).toSorted()).toEqual(names.toSorted());
    expect(Object.entries(tests).filter(([, covering]) => covering.length === 0)).toEqual([]);
    expect(rows.filter(([, here]) => !here)).toEqual([]);
  });

  it('is linked to places that there are', () => {
    const headings = [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
      text
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    const links = [...markdown.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link);
    expect(links.filter((link) => link !== undefined && !headings.includes(link))).toEqual([]);
    expect(links.length).toBeGreaterThan(5);
  });
});
