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

interface Lane {
  readonly client: Client;
  readonly userId: string;
  readonly batches: readonly string[];
}

const clients: Client[] = [];
let lanes: readonly Lane[] = [];

/** Each user's batches go over a connection of their own. */
async function load(
  batches: readonly (readonly [userId: string, texts: readonly string[]])[],
): Promise<void> {
  while (clients.length < batches.length) {
    const client = new Client({ connectionString: process.env['DATABASE_URL'] });
    await client.connect();
    clients.push(client);
  }
  lanes = clients.map((client, n) => ({
    client,
    userId: batches[n]?.[0] ?? '',
    batches: batches[n]?.[1] ?? [],
  }));
}

async function write({ kind }: { readonly kind: keyof typeof STATEMENTS }): Promise<void> {
  await Promise.all(
    lanes.map(async ({ client, userId, batches }) => {
      for (const batch of batches) {
        await client.query('BEGIN');
        await client.query({ name: kind, text: STATEMENTS[kind], values: [batch, userId] });
        await client.query('COMMIT');
      }
    }),
  );
}

serve({ load, write }, '', async () => {
  await Promise.all(clients.map((client) => client.end()));
});
