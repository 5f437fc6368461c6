import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

/** Each room may use those that come after it, and itself. */
const ROOMS = [
  'cli',
  'testing',
  'http',
  'operations',
  'engine',
  'replication',
  'live',
  'hooks',
  'resolvers',
  'schema',
  'store',
  'settings',
  'registry',
  'database',
  'common',
] as const;

/** They stand beside each other, and share what stands below. */
const SIBLINGS: readonly [string, string] = ['engine', 'replication'];

const MAX_LINES = 250;
const MAX_FILES = 15;
const MAX_PARAMETERS = 5;

interface Import {
  readonly from: string;
  readonly to: string;
}

const LIB = path.resolve(import.meta.dirname, '../lib');
const sources = new Map<string, string>();
let imports: readonly Import[];

beforeAll(async () => {
  const entries = await readdir(LIB, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter(({ name }) => name.endsWith('.ts'))) {
    const file = path.join(entry.parentPath, entry.name);
    sources.set(path.relative(LIB, file), await readFile(file, 'utf8'));
  }
  imports = [...sources].flatMap(([from, text]) => importsOf(from, text));
});

function importsOf(from: string, text: string): readonly Import[] {
  return [...text.matchAll(/^(?:import|export) [^;]*? from '(\.[^']+)\.js';/gm)].map(([, target = '']) => ({
    from,
    to: `${path.join(path.dirname(from), target)}.ts`,
  }));
}

/** The folder of a file; undefined for what is at the top. */
function roomOf(file: string): string | undefined {
  const [room, ...rest] = file.split(path.sep);
  return rest.length > 0 ? room : undefined;
}

function rank(file: string): number {
  return ROOMS.indexOf(roomOf(file) as (typeof ROOMS)[number]);
}

function line({ from, to }: Import): string {
  return `${from} → ${to}`;
}

describe('the rooms of lib/', () => {
  it('are all known, and each file is found', () => {
    expect(sources.size).toBeGreaterThan(100);
    const rooms = new Set([...sources.keys()].flatMap((file) => roomOf(file) ?? []));
    expect([...rooms].toSorted()).toEqual([...ROOMS].toSorted());
    expect(imports.filter(({ to }) => !sources.has(to)).map(line)).toEqual([]);
  });

  it('use only those that stand below them', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [room, used] = [roomOf(from), roomOf(to)];
      if (room === undefined) return false;
      if (used === undefined || rank(to) < rank(from)) return true;
      return room !== used && SIBLINGS.includes(room) && SIBLINGS.includes(used);
    });
    expect(wrong.map(line)).toEqual([]);
  });

  it('have no cycle of imports, of types neither', () => {
    const cycles: string[] = [];
    const done = new Set<string>();
    const visit = (file: string, way: readonly string[]): void => {
      if (way.includes(file)) cycles.push([...way.slice(way.indexOf(file)), file].join(' → '));
      if (done.has(file) || way.includes(file)) return;
      for (const { from, to } of imports) if (from === file) visit(to, [...way, file]);
      done.add(file);
    };
    for (const file of sources.keys()) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('have no barrels: what is public is named in index.ts and in the entry for tests alone', () => {
    const barrels = [...sources]
      .filter(([, text]) => /^export (\*|type \{|\{)[^;]* from /m.test(text))
      .map(([file]) => file);
    expect(barrels.toSorted()).toEqual(['index.ts', path.join('testing', 'index.ts')]);
    expect(imports.filter(({ to }) => to === 'index.ts').map(line)).toEqual([]);
  });

  it(`have at most ${MAX_FILES} files side by side`, () => {
    const counts = new Map<string, number>();
    for (const file of sources.keys()) {
      const folder = path.dirname(file);
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    expect([...counts].filter(([, count]) => count > MAX_FILES)).toEqual([]);
  });

  it(`have no file of more than ${MAX_LINES} lines`, () => {
    const long = [...sources].filter(([, text]) => text.trimEnd().split('\n').length > MAX_LINES);
    expect(long.map(([file]) => file)).toEqual([]);
  });
});

describe('the rooms of client/, of its tests, too,', () => {
  it(`have at most ${MAX_FILES} files side by side, of at most ${MAX_LINES} lines`, async () => {
    const client = path.resolve(import.meta.dirname, '../client');
    const counts = new Map<string, number>();
    for (const room of ['src', 'test']) {
      const entries = await readdir(path.join(client, room), { recursive: true, withFileTypes: true });
      for (const { parentPath, name } of entries.filter((entry) => entry.isFile())) {
        const folder = path.relative(client, parentPath);
        counts.set(folder, (counts.get(folder) ?? 0) + 1);
        const text = await readFile(path.join(parentPath, name), 'utf8');
        expect(text.trimEnd().split('\n').length, path.join(folder, name)).toBeLessThanOrEqual(MAX_LINES);
      }
    }
    expect(counts.size).toBeGreaterThan(15);
    expect([...counts].filter(([, count]) => count > MAX_FILES)).toEqual([]);
  });
});

describe("pg's undocumented parts", () => {
  it('are touched by one file alone [W-HOST-83]', () => {
    const INTERNALS =
      /\.connection\.stream|connection\.(?:on|removeAllListeners)\(|\bun?cork\(|[pP]arsedStatements|submittedNamedStatements|handleReadyForQuery/;
    const found = [...sources].filter(([, text]) => INTERNALS.test(text)).map(([file]) => file);
    expect(found).toEqual([path.join('database', 'pg-internals.ts')]);
  });
});

describe('the classes of lib/', () => {
  it(`have no constructor with more than ${MAX_PARAMETERS} parameters`, () => {
    const wide: string[] = [];
    let count = 0;
    for (const [file, text] of sources) {
      const visit = (node: ts.Node): void => {
        if (ts.isConstructorDeclaration(node)) {
          count += 1;
          if (node.parameters.length > MAX_PARAMETERS) wide.push(`${file}: ${node.parameters.length}`);
        }
        ts.forEachChild(node, visit);
      };
      visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
    }
    expect(wide).toEqual([]);
    expect(count).toBeGreaterThan(50);
  });
});

describe('SQL of lib/', () => {
  /** Where PostgreSQL expects a table. (sync_id is a column that hosts are told to add.) */
  const BARE =
    /(?<!\bINDEX IF NOT )\b(?:FROM|JOIN|INTO|UPDATE|USING|REFERENCES|EXISTS|ON|TABLE|COLUMN) +sync_(?!id\b)[a-z_]+|'sync_(?!id\b)[a-z_]+'/g;

  it('names the schema of every sync table: `:sync.sync_…` [W-HOST-20]', () => {
    const found = [...sources].flatMap(([file, text]) =>
      text
        .split('\n')
        .filter((each) => !/^\s*(?:\*|\/\/|\/\*)/.test(each))
        .flatMap((each) => each.match(BARE) ?? [])
        .map((name) => `${file}: ${name}`),
    );
    expect(found).toEqual([]);
  });
});
