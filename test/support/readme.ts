import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));

/** One of the papers: the README, CONTRIBUTING, the changelog, or a page of `docs/`. */
export interface Page {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
}

/** A fenced block of a page. */
export interface Snippet {
  /** Path of its page. */
  readonly page: string;
  /** Line of its fence, from 1. */
  readonly line: number;
  readonly language: string;
  /** `file` or `sql`, from the HTML comment before it; null when there is none. */
  readonly kind: string | null;
  /** What the comment calls it. */
  readonly name: string;
  readonly code: string;
}

/** @param path from the repository's root */
export async function readPage(path: string): Promise<Page> {
  return { path, text: await readFile(join(PROJECT, path), 'utf8') };
}

/** All papers; the examples are in the README and in `docs/`. */
export async function readPages(): Promise<readonly Page[]> {
  const entries = await readdir(join(PROJECT, 'docs'), { recursive: true, withFileTypes: true });
  const docs = entries
    .filter(({ name }) => name.endsWith('.md'))
    .map(({ name, parentPath }) => relative(PROJECT, join(parentPath, name)));
  const paths = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...docs.toSorted()];
  return Promise.all(paths.map(readPage));
}

/** All fenced blocks, in order. */
export function snippetsOf({ path: page, text }: Page): readonly Snippet[] {
  const snippets: Snippet[] = [];
  const lines = text.split('\n');
  for (let start = 0; start < lines.length; start++) {
    const language = /^```(\w+)$/.exec(lines[start] ?? '')?.[1];
    if (language === undefined) continue;
    const end = lines.indexOf('```', start);
    const before = lines.slice(0, start).findLast((line) => line !== '') ?? '';
    const [, kind = null, name = ''] = /^<!-- (file|sql): (\S+) -->$/.exec(before) ?? [];
    const code = lines.slice(start + 1, end).join('\n');
    snippets.push({ page, line: start + 1, language, kind, name, code });
    start = end;
  }
  return snippets;
}

/** A row of a Markdown table: its cells, without the backticks. */
export type TableRow = readonly string[];

/** The body rows of every table under a heading, up to the next heading of the same or a higher level. */
export function tablesUnder({ path, text }: Page, heading: string): readonly (readonly TableRow[])[] {
  const lines = text.split('\n');
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`${path} has no heading "${heading}"`);
  const level = heading.indexOf(' ');
  const isNext = (line: string): boolean => /^#+ /.test(line) && line.indexOf(' ') <= level;
  const length = lines.slice(start + 1).findIndex(isNext);
  const section = lines.slice(start + 1, length < 0 ? undefined : start + 1 + length);
  const tables: TableRow[][] = [];
  for (const [index, line] of section.entries()) {
    if (/^\| -+/.test(line)) tables.push([]);
    else if (line.startsWith('|') && !/^\| -+/.test(section[index + 1] ?? ''))
      tables.at(-1)?.push(cells(line));
  }
  return tables;
}

function cells(line: string): TableRow {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.replaceAll('`', '').trim());
}

export interface CompiledReadme {
  /** What the compiler says against the examples, one line each. */
  readonly problems: readonly string[];
  /** Path of a compiled example. */
  path(file: string): string;
  remove(): Promise<void>;
}

/**
 * Writes the examples that are files into a folder of the project, and compiles them with its settings against the
 * built package, as an app that has installed it.
 */
export async function compileReadme(snippets: readonly Snippet[]): Promise<CompiledReadme> {
  const folder = await mkdtemp(join(PROJECT, 'test', 'readme-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const files = snippets.filter(({ kind }) => kind === 'file');
    for (const { name, code } of files) {
      const path = join(folder, 'src', name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, code);
    }
    const problems = compile(folder, files);
    return { problems, path: (file) => join(folder, 'out', file), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function compile(folder: string, files: readonly Snippet[]): readonly string[] {
  const { config } = ts.readConfigFile(join(PROJECT, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, PROJECT);
  const { paths: _, ...strict } = options;
  const src = join(folder, 'src');
  const program = ts.createProgram(
    files.map(({ name }) => join(src, name)),
    { ...strict, declaration: false, sourceMap: false, rootDir: src, outDir: join(folder, 'out') },
  );
  const found = [...ts.getPreEmitDiagnostics(program), ...program.emit().diagnostics];
  return found.map(({ file, start = 0, messageText }) => {
    const name = file?.fileName.slice(src.length + 1) ?? '';
    const { line } = file ? ts.getLineAndCharacterOfPosition(file, start) : { line: 0 };
    return `${name}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}
