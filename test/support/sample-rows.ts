import { randomUUID } from 'node:crypto';
import type { TestDatabase } from './database.js';

/** Writes a task of the sample app past sync, as the host's own code would. Returns its id. */
export async function insertTask(
  database: TestDatabase,
  userId: string,
  title: string,
  id: string = randomUUID(),
): Promise<string> {
  await database.query('INSERT INTO tasks (id, user_id, title) VALUES ($1, $2, $3)', [id, userId, title]);
  return id;
}

/** Writes several tasks in one transaction; their titles are `<title> 1`, `<title> 2`, … Returns their ids in that order. */
export async function insertTasks(
  database: TestDatabase,
  userId: string,
  title: string,
  count: number,
): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, () => randomUUID());
  await database.query(
    `INSERT INTO tasks (id, user_id, title)
     SELECT id, $2, $3 || ' ' || n FROM unnest($1::uuid[]) WITH ORDINALITY AS t (id, n) ORDER BY n`,
    [ids, userId, title],
  );
  return ids;
}

export async function insertComment(database: TestDatabase, taskId: string, body: string): Promise<string> {
  const id = randomUUID();
  await database.query('INSERT INTO comments (id, task_id, body) VALUES ($1, $2, $3)', [id, taskId, body]);
  return id;
}

/** A change as an app makes it: `updated_at` moves. */
export async function retitle(database: TestDatabase, id: string, title: string): Promise<void> {
  await database.query('UPDATE tasks SET title = $2, updated_at = clock_timestamp() WHERE id = $1', [
    id,
    title,
  ]);
}

export async function share(database: TestDatabase, taskId: string, userId: string): Promise<void> {
  await database.query('INSERT INTO task_shares (task_id, shared_with_user_id) VALUES ($1, $2)', [
    taskId,
    userId,
  ]);
}

export async function unshare(database: TestDatabase, taskId: string, userId: string): Promise<void> {
  await database.query('DELETE FROM task_shares WHERE task_id = $1 AND shared_with_user_id = $2', [
    taskId,
    userId,
  ]);
}
