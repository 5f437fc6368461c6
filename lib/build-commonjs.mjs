import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

// The package once more as CommonJS, for those who can't `require` an ES module: Jest, above all. Node itself takes the ES
// modules for `import` and `require` alike (`module-sync` in package.json), so that one process never has both.
const from = fileURLToPath(new URL('../dist/lib/', import.meta.url));
const to = fileURLToPath(new URL('../dist/cjs/', import.meta.url));

/** Packages that are ES modules alone. They are loaded where they are used, which a test in Jest need not do. */
const ESM_ONLY = ['jose'];

const compilerOptions = {
  module: ts.ModuleKind.CommonJS,
  target: ts.ScriptTarget.ES2023,
  esModuleInterop: true,
};

await rm(to, { recursive: true, force: true });
const entries = await readdir(from, { recursive: true, withFileTypes: true });
for (const entry of entries.filter((each) => each.isFile())) {
  const file = path.join(path.relative(from, entry.parentPath), entry.name);
  // The command line runs in Node.
  if (file.startsWith('cli') || !/\.(js|d\.ts)$/.test(file)) continue;
  const text = await readFile(path.join(from, file), 'utf8');
  await mkdir(path.dirname(path.join(to, file)), { recursive: true });
  await writeFile(path.join(to, file), file.endsWith('.js') ? asCommonJs(text) : text);
}
await writeFile(path.join(to, 'package.json'), '{ "type": "commonjs" }\n');

function asCommonJs(text) {
  const here = text
    .replace(/^\/\/# sourceMappingURL=.*$/m, '')
    .replaceAll('import.meta.url', "require('node:url').pathToFileURL(__filename).href");
  const { outputText } = ts.transpileModule(here, { compilerOptions });
  return ESM_ONLY.reduce(
    (output, name) =>
      output.replace(
        `require("${name}");`,
        `new Proxy({}, { get: (_, member) => require("${name}")[member] });`,
      ),
    outputText,
  );
}
