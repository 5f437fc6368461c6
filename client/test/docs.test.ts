import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { compileScript, parse } from 'vue/compiler-sfc';
import { readPage, snippetsOf } from '../../test/support/readme.js';
import { frameworkExamples } from '../../test/support/framework-examples.js';
import { problemsOf } from './support/compile.js';

/** What the page's examples take from the app around them. */
const AROUND = `
  declare module 'better-sqlite3' {
    const Database: new (path: string) => import('nestjs-synchro-client/sqlite').SqliteDatabase;
    // oxlint-disable-next-line
    export default Database;
  }
  declare const session: { userId: string };
  declare const auth: { accessToken(options?: { refresh: boolean }): Promise<string> };
  declare function show(rows: readonly object[]): void;
  declare function ask(question: string): Promise<boolean>;
  declare function notify(text: string): void;
`;
const VITE = `
  declare module '@vitejs/plugin-react' {
    const plugin: () => import('vite').PluginOption;
    // oxlint-disable-next-line
    export default plugin;
  }
`;
/** For examples after the first one, which makes it. */
const SYNC = `declare const sync: import('nestjs-synchro-client').Sync<import('nestjs-synchro-client').AnyTables>;\n`;

describe('the examples of the client', () => {
  it('compile on its page, and in the README', async () => {
    const pages = [await readPage('docs/client.md'), await readPage('README.md')];
    const snippets = pages.flatMap(snippetsOf).filter(({ language }) => language === 'typescript');
    const files = new Map([['around.d.ts', AROUND]]);
    for (const { page, line, code } of snippets) {
      const sync = code.includes('const sync =') ? '' : SYNC;
      files.set(`${path.basename(page)}-${line}.ts`, `${sync}${code}\nexport {};\n`);
    }
    expect(problemsOf(files)).toEqual([]);
    expect(snippets.length).toBeGreaterThanOrEqual(7);
  });

  it('compile in React, with and without TanStack DB, in Vue and in Angular', async () => {
    const examples = await frameworkExamples();
    const files = new Map([['around.d.ts', VITE]]);
    for (const [folder, texts] of examples) {
      for (const [name, text] of texts) {
        if (name.endsWith('.vue')) files.set(`${folder}/${name}.ts`, vueScript(name, text));
        else files.set(`${folder}/${name}`, text);
      }
    }
    // A column that there is not is found in each of them.
    const wrongFiles = [...files].map(([name, text]) => [`wrong-${name}`, withTitel(text)] as const);
    const problems = problemsOf(new Map([...files, ...wrongFiles]));
    expect(problems.filter((problem) => !problem.startsWith('wrong-'))).toEqual([]);
    const wrong = new Set(problems.map((problem) => problem.split('/')[0]));
    expect(wrong).toEqual(new Set([...examples.keys()].map((folder) => `wrong-${folder}`)));
    expect([...examples.keys()]).toEqual(['react', 'tanstack', 'vue', 'angular']);
  });
});

function withTitel(text: string): string {
  return text.replaceAll(/(orderBy: '|\btask\.)title\b/g, '$1titel');
}

/** The TypeScript of a component, its template included. */
function vueScript(filename: string, source: string): string {
  const { descriptor, errors } = parse(source, { filename });
  expect(errors).toEqual([]);
  const { content } = compileScript(descriptor, { id: filename, inlineTemplate: true });
  // The compiler leaves the types of the props to Vue's own tools.
  const [, props = 'any'] = /defineProps<(.*)>\(\)/.exec(source) ?? [];
  return content.replace('__props: any', `__props: ${props}`);
}
