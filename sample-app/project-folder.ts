import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The repository: the nearest folder above with a package-lock.json, as sources and builds lie at different depths. */
export function projectFolder(folder = import.meta.dirname): string {
  if (existsSync(join(folder, 'package-lock.json')) || dirname(folder) === folder) return folder;
  return projectFolder(dirname(folder));
}
