import { quoteIdentifier, quoteLiteral } from '../../common/identifiers.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { SqlRunner } from '../../database/session.js';

/**
 * A function that says whether a parent row exists, of any user: a child under another user's row is refused for
 * good, one whose parent is still to come waits for it (scenario 125), and under row-level security both look alike.
 * It reveals no more than a foreign key does, and sees what its calling role sees.
 */
export function hasRowSql(parents: readonly SyncTable[], role: string | undefined): string {
  const values = parents.map(
    ({ name, sql, idColumn }) => `(${[name, sql, idColumn].map(quoteLiteral).join(', ')})`,
  );
  const body = `DECLARE
  relation text;
  key_column text;
  found_row boolean;
BEGIN
  SELECT p.r, p.k INTO relation, key_column FROM (VALUES ${values.join(', ')}) AS p (t, r, k) WHERE p.t = $1;
  IF relation IS NULL THEN RETURN false; END IF;
  EXECUTE format('SELECT EXISTS (SELECT FROM %s AS x WHERE x.%I = %L)', relation, key_column, $2) INTO found_row;
  RETURN found_row;
END`;
  const grant =
    role === undefined
      ? []
      : [
          `REVOKE ALL ON FUNCTION ${SIGNATURE} FROM PUBLIC`,
          `GRANT EXECUTE ON FUNCTION ${SIGNATURE} TO ${quoteIdentifier(role)}`,
        ];
  return [
    `CREATE OR REPLACE FUNCTION ${SIGNATURE} RETURNS boolean
  LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS ${quoteLiteral(body)}`,
    ...grant,
  ].join(';\n');
}

/** Whether rows of the table may be hidden from this connection, while the function of {@link hasRowSql} sees them. */
export async function canAskForHidden(sql: SqlRunner, table: SyncTable): Promise<boolean> {
  const rows: { ask: boolean }[] = await sql.query(
    `SELECT row_security_active($1::text) AND to_regprocedure('${SIGNATURE}') IS NOT NULL
        AND has_function_privilege(to_regprocedure('${SIGNATURE}'), 'EXECUTE') AS ask`,
    [table.sql],
  );
  return rows[0]?.ask === true;
}

/** Whether policies may keep rows of the table from the role that asks. */
export async function mayHideRows(sql: SqlRunner, table: SyncTable): Promise<boolean> {
  const rows: { hides: boolean }[] = await sql.query('SELECT row_security_active($1::text) AS hides', [
    table.sql,
  ]);
  return rows[0]?.hides === true;
}

const SIGNATURE = ':sync.sync_row_exists(text, text)';
