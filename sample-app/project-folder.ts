import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The nearest folder above with a package.json: sources and build lie at different depths. */
export function projectFolder(folder = import.meta.dirname): string {
  if (existsSync(join(folder, 'package.json')) || dirname(folder) === folder) return folder;
  return projectFolder(dirname(folder));
}
