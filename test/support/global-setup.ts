import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../sample-app/postgres/server.js';
import { withClient } from './client.js';
import { findLeaks } from './leaks.js';
import { killRecordedProcesses } from './run.js';
import { temporaryFolder } from './temporary-folder.js';

/** One server for the whole run: the one of DATABASE_URL, else an embedded one in a folder that goes afterwards. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await temporaryFolder();
  const given = process.env['DATABASE_URL'];
  const server = given
    ? { url: given, destroySync: () => {} }
    : await startPostgres({
        dataDir: join(folder, 'postgres'),
        durable: false,
        settings: { max_connections: '300' },
      });
  const run = { serverUrl: server.url, prefix: `synchro_test_${randomBytes(3).toString('hex')}`, folder };
  const discard = (): void => {
    process.off('exit', discard);
    killRecordedProcesses(run);
    server.destroySync();
    rmSync(folder, { recursive: true, force: true });
  };
  // A run that is interrupted ends without its teardown.
  process.on('exit', discard);

  try {
    await requireLogicalReplication(server.url);
  } catch (error) {
    discard();
    throw error;
  }
  project.provide('run', run);

  return async () => {
    try {
      const leaks = await findLeaks(run);
      if (leaks.length === 0) return;
      // Vitest only prints what a teardown throws.
      process.exitCode = 1;
      throw new Error(`The tests left behind: ${leaks.join(', ')}`);
    } finally {
      discard();
    }
  };
}

async function requireLogicalReplication(url: string): Promise<void> {
  const { rows } = await withClient(url, (client) => client.query<{ wal_level: string }>('SHOW wal_level'));
  if (rows[0]?.wal_level !== 'logical') {
    throw new Error(
      "The server of DATABASE_URL needs wal_level = logical: ALTER SYSTEM SET wal_level = 'logical'",
    );
  }
}
