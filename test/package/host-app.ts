import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { installedScript } from '../support/packed.js';
import { runNpm, runProgram } from '../support/run-program.js';
import type { Adoption } from './adoption.js';

/** The two module systems that `nest new` offers. */
export type ModuleSystem = 'esm' | 'cjs';

const NEW_OPTIONS = ['-p', 'npm', '--skip-install', '--skip-git', '--no-observe'];
const CJS_OPTIONS = ['--type=cjs', '--language=ts', '--package-manager=npm', '--observe=false'];
const SHUTDOWN_HOOKS = 'app.enableShutdownHooks();';

/** An app in a folder of its own, as a newcomer makes it. */
export class HostApp {
  constructor(
    readonly folder: string,
    private readonly modules: ModuleSystem,
  ) {}

  /** What runs the app once it is built. */
  get main(): string {
    return join(this.folder, 'dist', 'main.js');
  }

  /** What runs the page's first device once the app is built. */
  get firstDevice(): string {
    return join(this.folder, 'dist', this.modules === 'esm' ? 'first-device.js' : 'first-device.mjs');
  }

  /** By `nest new`; where its question for the module system is answered, by what it runs itself. */
  async create(): Promise<void> {
    const [name, cwd] = [this.modules, dirname(this.folder)];
    const [script = '', ...args] =
      this.modules === 'esm'
        ? ['@nestjs/cli/bin/nest.js', 'new', name, ...NEW_OPTIONS]
        : [
            '@angular-devkit/schematics-cli/bin/schematics.js',
            '@nestjs/schematics:application',
            `--name=${name}`,
            ...CJS_OPTIONS,
          ];
    await runProgram(process.execPath, [installedScript(script), ...args], { cwd });
  }

  /** The page's command, with the tarball for the name that is not published yet. */
  async install(tarball: string, { packages }: Adoption): Promise<void> {
    await this.npm('install', '--no-audit', '--no-fund', tarball, ...packages);
  }

  /** Puts the page's files in their places. */
  async adopt({ files }: Adoption): Promise<void> {
    for (const [path, text] of files) {
      const [target, content] = this.modules === 'esm' ? [path, text] : await this.forCommonJs(path, text);
      const file = join(this.folder, 'src', target);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  }

  /** By the app's own script, then once more without leniency towards the declarations of packages. */
  async build(): Promise<void> {
    await this.npm('run', 'build');
    const strict = ['-p', 'tsconfig.build.json', '--noEmit', '--skipLibCheck', 'false'];
    await this.npm('exec', '--', 'tsc', ...strict);
  }

  /** Where npm has put some packages, those within other packages too. */
  async copiesOf(packages: readonly string[]): Promise<readonly string[]> {
    const { stdout } = await this.npm('ls', '--all', '--parseable', ...packages);
    return [...new Set(stdout.trim().split('\n'))].map((path) => path.slice(this.folder.length + 1));
  }

  /** A module that awaits at its top level can't be CommonJS: the CLI's own `main.ts` takes its line. */
  private async forCommonJs(path: string, text: string): Promise<readonly [path: string, text: string]> {
    if (!/^await |= await /m.test(text)) return [path, text];
    if (path !== 'main.ts') return [path.replace(/ts$/, 'mts'), text];
    const generated = await readFile(join(this.folder, 'src', path), 'utf8');
    return [path, generated.replace('  await app.listen', `  ${SHUTDOWN_HOOKS}\n  await app.listen`)];
  }

  private async npm(...args: readonly string[]): Promise<{ readonly stdout: string }> {
    return runNpm(args, { cwd: this.folder });
  }
}
