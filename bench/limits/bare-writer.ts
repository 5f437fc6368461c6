import { Client } from 'pg';
import { serve } from '../stage/serve.js';

/** One statement in a transaction for each batch, with the driver alone: the batches are texts already. */
const STATEMENTS = {
  creates: `INSERT INTO tasks (id, user_id, title, body, done, priority, amount)
    SELECT id, $2, title, body, done, priority, amount FROM json_populate_recordset(NULL::tasks, $1)`,
  updates: `UPDATE tasks AS t SET title = r.title, body = r.body, done = r.done, priority = r.priority,
           amount = r.amount, updated_at = clock_timestamp()
      FROM json_populate_recordset(NULL::tasks, $1) AS r WHERE t.id = r.id AND t.user_id = $2`,
} as const;

const client = new Client({ connectionString: process.env['DATABASE_URL'] });
await client.connect();
let batches: readonly string[] = [];

function load(texts: readonly string[]): void {
  batches = texts;
}

async function write({ kind, userId }: { kind: keyof typeof STATEMENTS; userId: string }): Promise<void> {
  for (const batch of batches) {
    await client.query('BEGIN');
    await client.query({ name: kind, text: STATEMENTS[kind], values: [batch, userId] });
    await client.query('COMMIT');
  }
}

serve({ load, write }, '', () => client.end());
