import { escapeIdentifier, Pool, type QueryResultRow } from 'pg';
import { eventually } from '../../test/support/wait.js';

/** A database of one row's own, or of its baseline. */
export interface Database {
  readonly name: string;
  readonly url: string;
  query<Row extends QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** For what needs one connection throughout, or a connection at all. */
  readonly pool: Pool;
  drop(): Promise<void>;
}

/** @param server a pool of another database of the same server */
export async function createDatabase(server: Pool, serverUrl: string, name: string): Promise<Database> {
  await server.query(`CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE template0 ENCODING 'UTF8'`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const pool = new Pool({ connectionString: url.href, max: 20 });
  return {
    name,
    url: url.href,
    pool,
    query: async (sql, values = []) => (await pool.query(sql, [...values])).rows,
    drop: async () => {
      await pool.end();
      // A slot that is left behind keeps all WAL from there on; its walsender may take a moment to leave.
      await eventually(() =>
        server.query(
          'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1',
          [name],
        ),
      );
      await server.query(`DROP DATABASE ${escapeIdentifier(name)} WITH (FORCE)`);
    },
  };
}
