import { escapeIdentifier } from 'pg';
import type { TestDatabase } from './database.js';
import { withClient } from './client.js';

/** A role that is no superuser and bypasses nothing. Roles are known to the whole server. */
export interface TestRole {
  readonly name: string;
  /** Connects to the test's database as this role. */
  readonly url: string;
  /** Grants what a pool's role needs of sync's own tables. */
  grantSyncTables(): Promise<void>;
  /** After the database is gone, and with it what the role may do there. */
  drop(): Promise<void>;
}

export async function createRole(database: TestDatabase, suffix = 'role'): Promise<TestRole> {
  const name = `${database.name}_${suffix}`;
  const quoted = escapeIdentifier(name);
  await database.query(`CREATE ROLE ${quoted} LOGIN PASSWORD 'secret'`);
  const url = new URL(database.url);
  url.username = name;
  url.password = 'secret';
  return {
    name,
    url: url.href,
    grantSyncTables: async () => {
      const tables = await database.query<{ name: string }>(
        `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public' AND starts_with(tablename::text, 'sync_')`,
      );
      const list = tables.map((table) => table.name).join(', ');
      await database.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ${list} TO ${quoted}`);
      await database.query(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO ${quoted}`);
    },
    drop: async () => {
      const server = new URL(database.url);
      server.pathname = '/postgres';
      await withClient(server.href, (client) => client.query(`DROP ROLE ${quoted}`));
    },
  };
}
