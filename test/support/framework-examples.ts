import { readPage, snippetsOf } from './readme.js';

/** The files that each example needs, by framework: `react`, or the folder within `web/`. */
export type FrameworkExamples = ReadonlyMap<string, ReadonlyMap<string, string>>;

/** The examples of `docs/client-frameworks.md`, each with the files that all of them share. */
export async function frameworkExamples(): Promise<FrameworkExamples> {
  const files = snippetsOf(await readPage('docs/client-frameworks.md')).flatMap(({ name, code }) => {
    const [root, ...path] = name.split('/');
    return root === 'web' ? [{ path, code: `${code}\n` }] : [];
  });
  const top = new Map(
    files.flatMap(({ path: [name = '', ...rest], code }) => (rest.length > 0 ? [] : [[name, code] as const])),
  );
  const examples = new Map([['react', top]]);
  for (const {
    path: [folder = '', name],
    code,
  } of files) {
    if (name === undefined) continue;
    // An example's own file stands in the place of the one of that name.
    examples.set(folder, new Map([...(examples.get(folder) ?? sharedOf(folder, top)), [name, code]]));
  }
  return examples;
}

function sharedOf(folder: string, top: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return folder === 'tanstack' ? top : new Map([...top].filter(([name]) => SHARED.has(name)));
}

const SHARED: ReadonlySet<string> = new Set(['tables.ts', 'sync.ts']);
