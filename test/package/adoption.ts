import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../docs/getting-started.md', import.meta.url));
const HEADING = '## Add it to your app';
const FILE = /^<!-- file: (\S+) -->\n+```ts\n(.*?)^```$/gms;
const INSTALL = /^npm install nestjs-synchro(.*)$/m;

/** The steps of the section on adoption in `docs/getting-started.md`. */
export interface Adoption {
  /** The packages that are installed beside this one. */
  readonly packages: readonly string[];
  /** Path below `src/` → text, of each block whose file is named by a comment before it. */
  readonly files: ReadonlyMap<string, string>;
}

/** @throws Error if the section or its command to install is not there */
export async function readAdoption(): Promise<Adoption> {
  const [, after] = (await readFile(PAGE, 'utf8')).split(`\n${HEADING}\n`);
  const [section] = after?.split(/^## /m) ?? [];
  const [, packages] = INSTALL.exec(section ?? '') ?? [];
  if (section === undefined || packages === undefined) {
    throw new Error(`"${HEADING}" of docs/getting-started.md does not say "npm install nestjs-synchro …".`);
  }
  const files = [...section.matchAll(FILE)].map(([, path = '', text = '']) => [path, text] as const);
  return { packages: packages.split(' ').filter((name) => name !== ''), files: new Map(files) };
}
