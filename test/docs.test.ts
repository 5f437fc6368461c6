import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isLosslessNumber } from 'lossless-json';
import { beforeAll, describe, expect, it } from 'vitest';
import { readGoldenFiles } from './support/golden-file.js';
import { anchorsOf, linksOf, referencesOf, type Reference } from './support/papers.js';
import { readPage, readPages, snippetsOf, type Page } from './support/readme.js';
import type { Json } from './support/wire.js';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
const MAX_README_LINES = 250;

let pages: readonly Page[];
let code: readonly Page[];

beforeAll(async () => {
  pages = await readPages();
  code = await readCode(['lib', 'test', 'bench', 'sample-app']);
});

async function readCode(folders: readonly string[]): Promise<readonly Page[]> {
  const files = await Promise.all(
    folders.map((folder) => readdir(join(PROJECT, folder), { recursive: true, withFileTypes: true })),
  );
  const paths = files
    .flat()
    .filter((entry) => entry.isFile() && /\.(ts|mts|mjs|cjs)$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name).slice(PROJECT.length))
    .filter((path) => !/node_modules|^test\/readme-|^bench\/out\//.test(path));
  return Promise.all(
    paths.toSorted().map(async (path) => ({ path, text: await readFile(join(PROJECT, path), 'utf8') })),
  );
}

describe('the papers', () => {
  it('link to files and headings that there are', async () => {
    const links = pages.flatMap((page) => linksOf(page).map((target) => ({ page: page.path, target })));
    const problems = await Promise.all(links.map(({ page, target }) => linkProblem(page, target)));
    expect(problems.filter((problem) => problem !== null)).toEqual([]);
    expect(links.length).toBeGreaterThan(150);
  });

  it('name files of the repository that there are', () => {
    const named = pages.flatMap(({ path, text }) =>
      [...text.matchAll(/`((?:lib|test|bench|docs|sample-app)\/[\w./-]*)`/g)].map(([, file = '']) => ({
        path,
        file,
      })),
    );
    expect(named.filter(({ file }) => !isThere(file))).toEqual([]);
    expect(named.length).toBeGreaterThan(60);
  });

  it('have a README that is read in one go', async () => {
    const { text } = await readPage('README.md');
    expect(text.split('\n').length).toBeLessThanOrEqual(MAX_README_LINES);
  });

  it('are all reached from the README', () => {
    const links = new Map(
      pages.map((page) => [page.path, linksOf(page).map((target) => resolvePath(page.path, target))]),
    );
    const reached = new Set(['README.md']);
    for (const path of reached) for (const next of links.get(path) ?? []) reached.add(next);
    expect(pages.map(({ path }) => path).filter((path) => !reached.has(path))).toEqual([]);
  });

  it('begin each page with a sentence, and end it with where to go next', () => {
    const docs = pages.filter(({ path }) => path.startsWith('docs/'));
    const wrong = docs.filter(
      ({ text }) =>
        !/^# .+\n\nThis page [^\n]+[.:]/.test(text) ||
        !/^Where to go next\n\n.*\]\(/.test(text.split(/^## /m).at(-1) ?? ''),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it('have examples of JSON that parse', () => {
    const examples = pages.flatMap((page) => snippetsOf(page)).filter(({ language }) => language === 'json');
    for (const example of examples) expect(JSON.parse(example.code)).toBeTypeOf('object');
    expect(examples.length).toBeGreaterThan(2);
  });
});

describe('the page of the protocol', () => {
  it('names every key, status and reason that the contract tests see', async () => {
    const { text } = await readPage('docs/protocol.md');
    const words = new Set<string>();
    for (const { steps } of readGoldenFiles().values()) {
      for (const step of steps) if ('request' in step) collect(step.response.body, words);
    }
    expect([...words].filter((word) => !text.includes(word))).toEqual([]);
    expect(words.size).toBeGreaterThan(60);
  });

  it('names every reason that the engine gives', async () => {
    const { text } = await readPage('docs/protocol.md');
    const calls =
      /\b(?:terminal|retryable|reverted|conflict)\([^;]*?'([a-z]+_[a-z_]+)'|\['([a-z]+_[a-z_]+)', '/g;
    const reasons = code
      .filter(({ path }) => path.startsWith('lib/engine/'))
      .flatMap((file) => [...file.text.matchAll(calls)].map(([, called, listed]) => called ?? listed ?? ''));
    expect([...new Set(reasons)].filter((reason) => !text.includes(`\`${reason}\``))).toEqual([]);
    expect(new Set(reasons).size).toBeGreaterThan(15);
  });
});

/** The keys of an answer, but for those of rows, and the values of members that have a fixed set of them. */
function collect(json: Json, words: Set<string>): void {
  if (Array.isArray(json)) for (const each of json) collect(each, words);
  if (json === null || typeof json !== 'object' || Array.isArray(json) || isLosslessNumber(json)) return;
  for (const [key, value] of Object.entries(json as Readonly<Record<string, Json>>)) {
    words.add(key);
    if (['status', 'reason_code', 'snapshot_reason'].includes(key) && typeof value === 'string')
      words.add(value);
    if (key !== 'data') collect(value, words);
  }
}

describe('a comment', () => {
  it('cites pages, interleavings, scenarios and hazards that there are', async () => {
    const cited = code.flatMap((file) => referencesOf(file));
    const known = await knownReferences();
    expect(cited.filter((reference) => !isKnown(reference, known))).toEqual([]);
    expect(cited.length).toBeGreaterThan(150);
  });

  it('cites no paper that is not in the repository', () => {
    const gone = /wire-protocol|config-semantics|replication-notes|nest-notes|\(design[,)]|spec\/\w+\.md/;
    const lines = code
      .filter(({ path }) => path !== 'test/docs.test.ts')
      .flatMap(({ path, text }) =>
        text.split('\n').map((line, index) => ({ at: `${path}:${index + 1}`, line })),
      );
    expect(lines.filter(({ line }) => gone.test(line))).toEqual([]);
  });
});

interface Known {
  readonly interleavings: ReadonlySet<string>;
  readonly scenarios: ReadonlySet<string>;
  readonly hazards: ReadonlySet<string>;
  readonly pages: ReadonlyMap<string, ReadonlySet<string>>;
}

async function knownReferences(): Promise<Known> {
  const { text } = await readPage('docs/internals/interleavings.md');
  const hazards = await readPage('test/hazards.md');
  const scenarios = JSON.parse(await readFile(join(PROJECT, 'test/scenarios.json'), 'utf8')) as object;
  return {
    interleavings: new Set([...text.matchAll(/^### Interleaving (\d+)$/gm)].map(([, number = '']) => number)),
    scenarios: new Set(Object.keys(scenarios)),
    hazards: new Set([...hazards.text.matchAll(/^\| (W-[A-Z]+-\d+)/gm)].map(([, id = '']) => id)),
    pages: new Map(pages.map((page) => [page.path, anchorsOf(page)])),
  };
}

function isKnown({ kind, name }: Reference, known: Known): boolean {
  if (kind === 'interleaving') return known.interleavings.has(name);
  if (kind === 'scenario') return known.scenarios.has(name);
  if (kind === 'hazard') return known.hazards.has(name);
  const [path = '', anchor] = name.split('#');
  if (anchor === undefined) return isThere(path);
  return known.pages.get(path)?.has(anchor) ?? false;
}

function isThere(path: string): boolean {
  return existsSync(join(PROJECT, path));
}

/** From the repository's root, without the anchor. */
function resolvePath(page: string, target: string): string {
  const [file = ''] = target.split('#');
  return file === '' ? page : normalize(join(dirname(page), file)).replace(/\/$/, '');
}

async function linkProblem(page: string, target: string): Promise<string | null> {
  const path = resolvePath(page, target);
  if (!isThere(path)) return `${page}: ${target}: there is no such file`;
  const [, anchor] = target.split('#');
  if (anchor === undefined || anchorsOf(await readPage(path)).has(anchor)) return null;
  return `${page}: ${target}: there is no such heading`;
}
