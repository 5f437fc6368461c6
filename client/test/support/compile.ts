import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const CLIENT = fileURLToPath(new URL('../..', import.meta.url));
/** Where files that are compiled seem to be. */
export const COMPILED = path.join(CLIENT, 'test');

const OPTIONS: ts.CompilerOptions = {
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  jsx: ts.JsxEmit.ReactJSX,
  experimentalDecorators: true,
  types: [],
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: true,
  paths: {
    'nestjs-synchro-client': [path.join(CLIENT, 'src/index.ts')],
    'nestjs-synchro-client/*': [path.join(CLIENT, 'src/*/index.ts')],
    // React's hooks bring a copy of their own, whose classes would be other types.
    '@tanstack/db': [path.join(CLIENT, 'node_modules/@tanstack/db/dist/esm/index.d.ts')],
  },
};

/**
 * Compiles files that are not on the disk, as an app of the client's would.
 * @param texts by name; one imports another by it
 * @returns what the compiler finds wrong, as `<name>:<line>: <message>`
 */
export function problemsOf(texts: ReadonlyMap<string, string>): readonly string[] {
  const files = new Map([...texts].map(([name, text]) => [path.join(COMPILED, name), text]));
  const disk = ts.createCompilerHost(OPTIONS);
  const host: ts.CompilerHost = {
    ...disk,
    readFile: (file) => files.get(file) ?? disk.readFile(file),
    fileExists: (file) => files.has(file) || disk.fileExists(file),
    directoryExists: (folder) =>
      [...files.keys()].some((file) => file.startsWith(`${folder}/`)) || ts.sys.directoryExists(folder),
    getSourceFile: (file, version) => {
      const text = files.get(file);
      return text === undefined
        ? disk.getSourceFile(file, version)
        : ts.createSourceFile(file, text, version);
    },
  };
  const program = ts.createProgram([...files.keys()], OPTIONS, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const line = file ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${file && path.relative(COMPILED, file.fileName)}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}
