import type { ClientBase, QueryResult, QueryResultRow } from 'pg';
import { SynchroError } from '../../common/errors.js';
import {
  quoteIdentifier,
  quoteLiteral,
  quoteQualifiedName,
  quoteRelation,
} from '../../common/identifiers.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { SqlFunction, SyncTable } from '../../registry/sync-table.js';

/** Runs a statement on the consumer's connection. */
interface Queryable {
  query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<Row>>;
}

/** A bucket function as the catalogs describe it. */
interface FoundFunction extends QueryResultRow {
  readonly schema: string;
  readonly signature: string;
  readonly returns_buckets: boolean;
  readonly usable: boolean;
  readonly executable: boolean;
  readonly role: string;
  readonly definition: string;
}

/**
 * Checks that every table's bucket function is there, has the signature, and may be called by the consumer's role.
 * @throws SynchroError naming table and function, with the SQL that fixes it
 */
export async function checkBucketFunctions(client: ClientBase, registry: SyncRegistry): Promise<void> {
  for (const table of registry.all()) {
    if (table.bucketFunction) await checkBucketFunction(client, table, table.bucketFunction);
  }
}

/** The function as it is defined now: what changes it changes the rule. null when it isn't there. */
export async function bucketFunctionDefinition(
  client: Queryable,
  bucketFunction: SqlFunction,
): Promise<string | null> {
  return (await find(client, bucketFunction))?.definition ?? null;
}

async function checkBucketFunction(
  client: ClientBase,
  table: SyncTable,
  bucketFunction: SqlFunction,
): Promise<void> {
  const found = await find(client, bucketFunction);
  const { text } = bucketFunction;
  if (!found) {
    throw new SynchroError(
      'configuration_invalid',
      `${table.name}: bucketFunction: there is no function ${text}(text, text, jsonb, jsonb)`,
      skeleton(table, bucketFunction),
    );
  }
  if (!found.returns_buckets) {
    throw new SynchroError(
      'configuration_invalid',
      `${table.name}: bucketFunction: ${text} returns ${found.signature}, not SETOF text`,
      `DROP FUNCTION ${quoteRelation(found.schema, bucketFunction.name)}(text, text, jsonb, jsonb); ${skeleton(table, bucketFunction)}`,
    );
  }
  const role = quoteIdentifier(found.role);
  const grants = [
    ...(found.usable ? [] : [`GRANT USAGE ON SCHEMA ${quoteIdentifier(found.schema)} TO ${role};`]),
    ...(found.executable
      ? []
      : [
          `GRANT EXECUTE ON FUNCTION ${quoteRelation(found.schema, bucketFunction.name)}(text, text, jsonb, jsonb) TO ${role};`,
        ]),
  ];
  if (grants.length === 0) return;
  throw new SynchroError(
    'permission_missing',
    `${table.name}: bucketFunction: role ${found.role} may not call ${text}`,
    grants.join(' '),
  );
}

async function find(client: Queryable, { schema, name }: SqlFunction): Promise<FoundFunction | undefined> {
  const { rows } = await client.query<FoundFunction>(
    `SELECT n.nspname AS schema, pg_get_function_result(p.oid) AS signature, current_user AS role,
            p.proretset AND p.prorettype = 'text'::regtype AS returns_buckets,
            has_schema_privilege(n.oid, 'USAGE') AS usable, has_function_privilege(p.oid, 'EXECUTE') AS executable,
            pg_get_functiondef(p.oid) AS definition
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE p.proname = $2 AND p.prokind = 'f' AND oidvectortypes(p.proargtypes) = 'text, text, jsonb, jsonb'
        AND n.nspname = $1`,
    [schema, name],
  );
  return rows[0];
}

function skeleton(table: SyncTable, bucketFunction: SqlFunction): string {
  const bucket =
    table.ownerColumn === null ? `'global'` : `'user:' || (new_row ->> ${quoteLiteral(table.ownerColumn)})`;
  return `CREATE FUNCTION ${quoteQualifiedName(bucketFunction)}(table_name text, operation text, new_row jsonb, old_row jsonb)
    RETURNS SETOF text LANGUAGE sql STABLE AS $$ SELECT ${bucket} $$;`;
}
