import { withClient } from './client.js';
import { killRecordedProcesses, type TestRun } from './run.js';

/** Databases, replication slots, roles and child processes that the tests of this run did not clean up. */
export async function findLeaks(run: TestRun): Promise<readonly string[]> {
  const processes = killRecordedProcesses(run.folder);
  const { rows } = await withClient(run.serverUrl, (client) =>
    client.query<{ leak: string }>(
      `SELECT 'database ' || datname AS leak FROM pg_database WHERE starts_with(datname::text, $1)
       UNION ALL
       SELECT 'replication slot ' || slot_name FROM pg_replication_slots
       WHERE starts_with(slot_name::text, $1) OR starts_with(database::text, $1)
       UNION ALL
       SELECT 'role ' || rolname FROM pg_roles WHERE starts_with(rolname::text, $1)`,
      [run.prefix],
    ),
  );
  return [...processes.map((pid) => `process ${pid}`), ...rows.map(({ leak }) => leak)];
}
