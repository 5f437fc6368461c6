import type { SqlRunner } from '../../../database/session.js';
import type { Write } from '../writing/judge.js';
import { serverError } from './sqlstate.js';

/** Whether an insert failed as its key is taken, and not by another unique constraint (interleavings 19). */
export async function isKeyViolation(
  sync: SqlRunner,
  { item: { table } }: Write,
  error: unknown,
): Promise<boolean> {
  const { code, schema, constraint } = serverError(error) ?? {};
  if (code !== '23505') return false;
  const rows: unknown[] = await sync.query(
    `SELECT FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
       JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE n.nspname = $1 AND c.relname = $2 AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = $3`,
    [schema, constraint, table.primaryKey.name],
  );
  return rows.length > 0;
}
