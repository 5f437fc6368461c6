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
        settings: {
          max_connections: '500',
          max_wal_senders: '50',
          max_replication_slots: '50',
          track_commit_timestamp: 'on',
        },
      });
  const discard = (): void => {
    process.off('exit', discard);
    killRecordedProcesses(folder);
    server.destroySync();
    rmSync(folder, { recursive: true, force: true });
  };
  // A run that is interrupted ends without its teardown.
  process.on('exit', discard);

  let serverVersion: number;
  try {
    serverVersion = await checkServer(server.url);
  } catch (error) {
    discard();
    throw error;
  }
  const prefix = `synchro_test_${randomBytes(3).toString('hex')}`;
  const run = { serverUrl: server.url, serverVersion, prefix, folder };
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

/** @returns its major version */
async function checkServer(url: string): Promise<number> {
  const { rows } = await withClient(url, (client) =>
    client.query<{ level: string; version: number }>(
      `SELECT current_setting('wal_level') AS level, current_setting('server_version_num')::integer AS version`,
    ),
  );
  const { level = '', version = 0 } = rows[0] ?? {};
  if (level !== 'logical') {
    throw new Error(
      "The server of DATABASE_URL needs wal_level = logical: ALTER SYSTEM SET wal_level = 'logical'",
    );
  }
  return Math.floor(version / 10_000);
}
