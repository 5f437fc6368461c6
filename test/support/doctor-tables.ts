import { synchroMigrationsSql } from '../../lib/index.js';
import type { TestDatabase } from './database.js';

const ROW = `id uuid PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now(), deleted_at timestamptz`;

const HEALTHY = [
  `CREATE TABLE tasks (${ROW}, user_id text NOT NULL, due_at timestamp)`,
  `CREATE TABLE comments (${ROW}, task_id uuid NOT NULL REFERENCES tasks)`,
  'CREATE INDEX comments_task_id ON comments (task_id)',
  'CREATE TABLE shares (task_id uuid, user_id text, PRIMARY KEY (task_id, user_id))',
  `CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END'`,
  'CREATE TRIGGER touch_tasks BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touch()',
  'CREATE TRIGGER touch_comments BEFORE UPDATE ON comments FOR EACH ROW EXECUTE FUNCTION touch()',
];

/** Makes what the app of `doctor-data-source.mjs` needs, and nothing wrong with it. */
export async function makeHealthy(database: TestDatabase): Promise<void> {
  for (const statement of HEALTHY) await database.query(statement);
  for (const statement of synchroMigrationsSql()) await database.query(statement);
}
