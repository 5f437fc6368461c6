import type { Client, CustomTypesConfig } from 'pg';

/** $1 a JSON array of tasks, $2 their user. */
const WRITE = {
  creates: `INSERT INTO tasks (id, user_id, title, body, done, priority, amount)
    SELECT id, $2, title, body, done, priority, amount FROM json_populate_recordset(NULL::tasks, $1)`,
  updates: `UPDATE tasks AS t SET title = r.title, body = r.body, done = r.done, priority = r.priority,
           amount = r.amount, updated_at = clock_timestamp()
      FROM json_populate_recordset(NULL::tasks, $1) AS r WHERE t.id = r.id AND t.user_id = $2`,
} as const;

/** A table of a few thousand rows would be hashed for a hundred of them, which takes longer than to look them up. */
export const LOOK_UP = '-c enable_hashjoin=off -c enable_mergejoin=off';

/** $1 the keys: their rows as records of the wire, in one text. A row a line was slower. */
const READ = `
SELECT string_agg(row_to_json(r)::text, ',' ORDER BY n) AS records
  FROM (SELECT w.n, t.id, 'tasks' AS table_name,
               (SELECT d FROM (SELECT t.id, t.user_id, t.title, t.body, t.done, t.priority, t.amount, t.created_at,
                                      t.updated_at, t.deleted_at) AS d) AS data, t.updated_at
          FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, n) JOIN tasks AS t ON t.id = w.id) AS r`;

export type WriteKind = keyof typeof WRITE;

/** One statement in a transaction, with the driver alone. @param tasks a JSON array */
export async function writeTasks(
  client: Client,
  kind: WriteKind,
  tasks: string,
  userId: string,
): Promise<void> {
  await client.query('BEGIN');
  await client.query({ name: kind, text: WRITE[kind], values: [tasks, userId] });
  await client.query('COMMIT');
}

const asText: CustomTypesConfig = { getTypeParser: () => (text: string) => text };

/** The records of some tasks, as one text. @param keys `uuid[]` */
export async function readTasks(client: Client, keys: string | undefined): Promise<string> {
  const query = { name: 'read', text: READ, values: [keys], types: asText };
  const { rows } = await client.query<{ records: string }>(query);
  return rows[0]?.records ?? '';
}
