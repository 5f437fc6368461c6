import type { Round } from '../bench-row.js';
import { holdConsumer, lastSeq, reached } from './changelog.js';
import type { Database } from './database.js';
import type { NodeProcess } from './node-process.js';
import type { Environment } from './environment.js';

/**
 * One round of the consumer with a backlog: `write` makes it, the clock runs from when the consumer may begin until
 * the log has so many entries more.
 * @returns entries a second
 */
export async function drain(
  environment: Environment,
  app: NodeProcess,
  database: Database,
  entries: number,
  write: () => Promise<void>,
): Promise<Round> {
  const before = await lastSeq(database);
  const release = await holdConsumer(database);
  await write();
  const { seconds, usage } = await environment.timed(app, async () => {
    await release();
    await reached(database, before + entries);
  });
  return { values: [entries / seconds], usage };
}

/** Runs a statement that makes a backlog, as fast as it goes: it is not what is measured. */
export async function runFast(database: Database, sql: string): Promise<void> {
  const client = await database.pool.connect();
  await client.query('SET synchronous_commit = off');
  await client.query(sql);
  await client.query('RESET synchronous_commit');
  client.release();
}
