import { join } from 'node:path';
import type { Database } from '../environment/database.js';
import type { NodeProcess } from '../environment/node-process.js';

/** Where the time goes in an app and in its database, for `--profile`. */
export async function startProfile(app: NodeProcess, database: Database): Promise<void> {
  await database.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');
  await database.query('SELECT pg_stat_statements_reset()');
  await app.call('startProfile');
}

/** @returns lines for people */
export async function endProfile(
  app: NodeProcess,
  database: Database,
  folder: string,
  name: string,
): Promise<readonly string[]> {
  const functions = await app.call<readonly string[]>('endProfile', join(folder, `${name}.cpuprofile`));
  const statements = await database.query<{ line: string }>(
    `SELECT format('%8s calls %9s ms exec %8s ms plan %9s rows  %s', calls, round(total_exec_time::numeric, 1),
              round(total_plan_time::numeric, 1), rows, left(regexp_replace(query, '\\s+', ' ', 'g'), 130)) AS line
       FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
      WHERE d.datname = $1 ORDER BY total_exec_time + total_plan_time DESC LIMIT 25`,
    [database.name],
  );
  return [
    `${name}: the app's own CPU time`,
    ...functions,
    `${name}: statements`,
    ...statements.map(({ line }) => line),
  ];
}
