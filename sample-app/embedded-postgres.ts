import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { startPostgres } from './postgres/server.js';

/**
 * Starts PostgreSQL on the data in `.data/postgres` of this project, and stops it as the very last thing that the
 * process does, so that Nest and its connections are gone by then.
 *
 * @returns The URL of its database.
 */
export async function startEmbeddedPostgres(): Promise<string> {
  const server = await startPostgres({ dataDir: join(await projectFolder(), '.data', 'postgres') });
  process.once('exit', () => server.stopSync());
  return server.url;
}

/** The nearest folder above with a package.json: sources and build lie at different depths. */
async function projectFolder(folder = import.meta.dirname): Promise<string> {
  const found = await access(join(folder, 'package.json')).then(
    () => true,
    () => false,
  );
  if (found || dirname(folder) === folder) return folder;
  return projectFolder(dirname(folder));
}
