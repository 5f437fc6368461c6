import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { readPage, snippetsOf } from '../../test/support/readme.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const SOURCES = path.join(HERE, '../src');

/** What the page's examples take from the app around them. */
const AROUND = `
  declare module 'better-sqlite3' {
    const Database: new (path: string) => import('nestjs-synchro-client/sqlite').SqliteDatabase;
    // oxlint-disable-next-line
    export default Database;
  }
  declare const session: { userId: string };
  declare const auth: { accessToken(options: { refresh: boolean }): Promise<string> };
  declare function show(rows: readonly object[]): void;
  declare function ask(question: string): Promise<boolean>;
  declare function notify(text: string): void;
  declare function useSyncExternalStore<T>(subscribe: (listener: () => void) => () => void, get: () => T): T;
  type Observable<T> = import('nestjs-synchro-client').Observable<T>;
`;
/** For examples after the first one, which makes it. */
const SYNC = `declare const sync: import('nestjs-synchro-client').Sync<import('nestjs-synchro-client').AnyTables>;\n`;

describe('the examples of docs/client.md', () => {
  it('compile', async () => {
    const snippets = snippetsOf(await readPage('docs/client.md')).filter(
      ({ language }) => language === 'typescript',
    );
    const files = new Map([[path.join(HERE, 'around.d.ts'), AROUND]]);
    for (const { line, code } of snippets) {
      const sync = code.includes('const sync =') ? '' : SYNC;
      files.set(path.join(HERE, `example-${line}.ts`), `${sync}${code}\nexport {};\n`);
    }
    expect(problemsOf(files)).toEqual([]);
    expect(snippets.length).toBeGreaterThanOrEqual(6);
  });
});

function problemsOf(files: ReadonlyMap<string, string>): readonly string[] {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
    types: [],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    paths: {
      'nestjs-synchro-client': [path.join(SOURCES, 'index.ts')],
      'nestjs-synchro-client/*': [path.join(SOURCES, '*/index.ts')],
    },
  };
  const disk = ts.createCompilerHost(options);
  const host: ts.CompilerHost = {
    ...disk,
    readFile: (file) => files.get(file) ?? disk.readFile(file),
    fileExists: (file) => files.has(file) || disk.fileExists(file),
    getSourceFile: (file, version) => {
      const text = files.get(file);
      return text === undefined
        ? disk.getSourceFile(file, version)
        : ts.createSourceFile(file, text, version);
    },
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return ts
    .getPreEmitDiagnostics(program)
    .map(
      ({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
}
