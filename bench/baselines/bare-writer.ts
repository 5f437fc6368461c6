import { Client } from 'pg';
import { serve } from '../environment/serve.js';
import { LOOK_UP, writeTasks, type WriteKind } from './statements.js';

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
    const client = new Client({ connectionString: process.env['DATABASE_URL'], options: LOOK_UP });
    await client.connect();
    clients.push(client);
  }
  lanes = clients.map((client, n) => ({
    client,
    userId: batches[n]?.[0] ?? '',
    batches: batches[n]?.[1] ?? [],
  }));
}

/** A transaction for each batch: they are texts already. */
async function write({ kind }: { readonly kind: WriteKind }): Promise<void> {
  await Promise.all(
    lanes.map(async ({ client, userId, batches }) => {
      for (const batch of batches) await writeTasks(client, kind, batch, userId);
    }),
  );
}

serve({ load, write }, '', async () => {
  await Promise.all(clients.map((client) => client.end()));
});
