import { join } from 'node:path';
import { startPostgres } from './postgres/server.js';
import { projectFolder } from './project-folder.js';

/**
 * Starts PostgreSQL on the data in `.data/postgres` of this project, and stops it as the very last thing that the
 * process does, so that Nest and its connections are gone by then.
 *
 * @returns The URL of its database.
 */
export async function startEmbeddedPostgres(): Promise<string> {
  const server = await startPostgres({
    dataDir: join(projectFolder(), '.data', 'postgres'),
    // The page's time line shows when PostgreSQL has committed.
    settings: { track_commit_timestamp: 'on' },
  });
  process.once('exit', () => server.stopSync());
  return server.url;
}
