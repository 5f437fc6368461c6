import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { parseDuration } from '../lib/common/duration.js';
import { readSettings } from '../lib/settings/synchro.settings.js';
import { readPage, tablesUnder } from './support/readme.js';

function read(path: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`../${path}`, import.meta.url)), 'utf8');
}

describe('the tables of options', () => {
  it('name every option of the module, and nothing else', async () => {
    const members = await interfacesOf('lib/settings/synchro.options.ts');
    const names = ['SynchroOptions', 'SynchroModuleExtras'].flatMap((name) => flatten(members, name));
    expect((await optionRows('## The module')).map(([name]) => name).toSorted()).toEqual(names.toSorted());
  });

  it('mark what stays beside the factory of forRootAsync', async () => {
    const extras = (await interfacesOf('lib/settings/synchro.options.ts')).get('SynchroModuleExtras');
    const marked = (await optionRows('## The module')).filter(([, , isMarked]) => isMarked);
    expect(marked.map(([name]) => name).toSorted()).toEqual([...(extras?.keys() ?? [])].toSorted());
  });

  it('name every option of @SyncTable, and nothing else', async () => {
    const names = flatten(
      await interfacesOf('lib/registry/sync-table.options.ts'),
      'SyncTableOptions',
      false,
    );
    expect((await optionRows('## @SyncTable')).map(([name]) => name).toSorted()).toEqual(names.toSorted());
  });

  it('name every option of synchroRlsSql, and nothing else', async () => {
    const names = flatten(await interfacesOf('lib/store/rls/rls.ts'), 'RlsOptions');
    const [rows = []] = tablesUnder(await readPage('docs/migrations-and-rls.md'), '## Row-level security');
    expect(rows.map(([name = '']) => name).toSorted()).toEqual(names.toSorted());
  });

  it('tell the defaults that the settings have', async () => {
    const settings = readSettings({ compaction: {}, replication: {} });
    const given = new Map((await optionRows('## The module')).map(([name, value]) => [name, value]));
    const wrong = leaves(settings).filter(([name, value]) => valueOf(given.get(name) ?? '') !== value);
    expect(wrong).toEqual([]);
    expect(leaves(settings).length).toBeGreaterThan(5);
  });
});

/** Name, default, and whether it is marked. */
type OptionRow = readonly [name: string, value: string, isMarked: boolean];

async function optionRows(heading: string): Promise<readonly OptionRow[]> {
  const [rows = []] = tablesUnder(await readPage('docs/options.md'), heading);
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
  return /^\d+$/.test(digits) ? Number(digits) : parseDuration('docs/options.md', text);
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
