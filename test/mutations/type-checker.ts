import { join } from 'node:path';
import ts from 'typescript';

/** Checks files of a package as they would be. Unused names don't count: a break may well leave some behind. */
export class TypeChecker {
  private readonly changed = new Map<string, { text: string; version: number }>();
  private readonly service: ts.LanguageService;

  /** @param config The package's `tsconfig.json`, from the root. */
  constructor(
    private readonly root: string,
    config: string,
  ) {
    const { options, fileNames } = readConfig(root, config);
    this.service = ts.createLanguageService({
      ...ts.sys,
      useCaseSensitiveFileNames: () => ts.sys.useCaseSensitiveFileNames,
      getCompilationSettings: () => options,
      getScriptFileNames: () => fileNames,
      getScriptVersion: (path) => String(this.changed.get(path)?.version ?? 0),
      getScriptSnapshot: (path) => {
        const text = this.changed.get(path)?.text ?? ts.sys.readFile(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: (settings) => ts.getDefaultLibFilePath(settings),
    });
  }

  /** A file as it is. */
  text(file: string): string {
    const text = ts.sys.readFile(join(this.root, file));
    if (text === undefined) throw new Error(`${file} is missing`);
    return text;
  }

  /** What is wrong with files that have these texts. */
  problems(files: ReadonlyMap<string, string>): readonly string[] {
    for (const [file, text] of files) this.set(file, text);
    const problems = [...files.keys()].flatMap((file) => {
      const path = join(this.root, file);
      return [
        ...this.service.getSyntacticDiagnostics(path),
        ...this.service.getSemanticDiagnostics(path),
      ].map(({ messageText }) => `${file}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
    });
    for (const file of files.keys()) this.set(file, this.text(file));
    return problems;
  }

  private set(file: string, text: string): void {
    const path = join(this.root, file);
    this.changed.set(path, { text, version: (this.changed.get(path)?.version ?? 0) + 1 });
  }
}

function readConfig(root: string, file: string): ts.ParsedCommandLine {
  const changes = { noEmit: true, noUnusedLocals: false, noUnusedParameters: false };
  const config = ts.getParsedCommandLineOfConfigFile(join(root, file), changes, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, ' '));
    },
  });
  if (!config) throw new Error(`${file} can not be read`);
  return config;
}
