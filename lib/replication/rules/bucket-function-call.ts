import { errorCode, isTransient } from '../../database/database-error.js';
import { describeError } from '../../common/describe-error.js';
import { SynchroError } from '../../common/errors.js';
import { quoteIdentifier, quoteQualifiedName } from '../../common/identifiers.js';
import type { SqlFunction, SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { isPaddedSql } from '../tables/padded-type-sql.js';

/** A row to resolve, with the columns that only a bucket function gets. */
export interface RuleRow extends ResolveRow {
  /** Default: update. */
  readonly operation?: 'create' | 'update';
  /** The row before; only where the table has REPLICA IDENTITY FULL. Default: null. */
  readonly previous?: ResolveRow['data'] | null;
}

/** Limits of one call. */
export interface CallLimits {
  /** Most buckets of one row. */
  readonly buckets: number;
  /** Milliseconds; 0: any. */
  readonly time: number;
}

/** The buckets of one row, or too many of them. */
export interface FunctionAnswer {
  readonly count: number;
  /** null when there are more than asked for. */
  readonly buckets: readonly string[] | null;
}

/**
 * Calls a table's bucket function for all rows in one statement, on the consumer's connection. A savepoint confines
 * an error of the function.
 * @returns the answers in the order of `rows`
 * @throws the function's error, or a SynchroError `rule_failed` that names the function where its error looks like the server's
 *   (cancelled, or raised as 40001)
 */
export async function callBucketFunction(
  tx: ChangelogTransaction,
  table: SyncTable,
  bucketFunction: SqlFunction,
  rows: readonly RuleRow[],
  limits: CallLimits,
): Promise<readonly FunctionAnswer[]> {
  const columns = await typedColumns(tx, table);
  const answers: FunctionAnswer[] = [];
  let failure: string | null = null;
  await tx.query(`SAVEPOINT bucket_function; SET LOCAL statement_timeout = ${limits.time}`);
  try {
    const { rows: answered } = await tx.query<{ n: number; count: number; buckets: string[] | null }>(
      callSql(columns, quoteQualifiedName(bucketFunction)),
      [table.name, recordsJson(columns, rows), limits.buckets],
    );
    for (const { n, count, buckets } of answered) {
      answers[n] = { count, buckets: count === 0 ? [] : buckets };
    }
  } catch (error) {
    // Where the server or the connection is what failed, so does this.
    await tx.query('ROLLBACK TO SAVEPOINT bucket_function');
    if (!isTransient(error)) throw error;
    failure =
      errorCode(error) === QUERY_CANCELED
        ? `was cancelled after ${limits.time} ms`
        : `failed (${describeError(error)})`;
  }
  if (failure !== null) {
    // Without its cause: the cause would count as a failure that passes, and the batch would be retried without end.
    throw new SynchroError(
      'rule_failed',
      `${bucketFunction.text} ${failure}, called for ${describeRows(table, rows)}`,
      'make the function answer for these rows in time, or raise replication.ruleTimeout.',
    );
  }
  await tx.query('SET LOCAL statement_timeout = 0; RELEASE SAVEPOINT bucket_function');
  return answers;
}

const QUERY_CANCELED = '57014';

function describeRows(table: SyncTable, rows: readonly RuleRow[]): string {
  const [row, ...others] = rows;
  return others.length === 0 ? `${table.name} ${row?.recordId}` : `${rows.length} rows of ${table.name}`;
}

interface TypedColumn {
  readonly name: string;
  readonly type: string;
}

/**
 * Read each time: the table may be altered at any. Generated columns are not in the WAL. A `char(n)` stays without its
 * padding, which `to_jsonb` would put into the name of a bucket.
 */
async function typedColumns(tx: ChangelogTransaction, table: SyncTable): Promise<readonly TypedColumn[]> {
  const { rows } = await tx.query<{ name: string; type: string }>({
    name: 'bucket_function_columns',
    text: `SELECT attname AS name,
        CASE WHEN ${isPaddedSql('atttypid')} THEN 'text' ELSE format_type(atttypid, atttypmod) END AS type FROM pg_attribute
      WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    values: [table.sql],
  });
  return rows;
}

/**
 * Values travel as PostgreSQL's text and are cast to their columns' types, so that `to_jsonb` writes numbers as numbers.
 * Positions stand for names, which could be any. OFFSET 0 keeps the row from being built for each use of it.
 */
function callSql(columns: readonly TypedColumn[], functionSql: string): string {
  const fields = columns.flatMap((_, position) => [`n${position} text`, `o${position} text`]);
  const row = (prefix: 'n' | 'o'): string =>
    `SELECT ${columns.map(({ name, type }, position) => `r.${prefix}${position}::${type} AS ${quoteIdentifier(name)}`).join(', ')}`;
  return `SELECT r.n, answer.count, answer.buckets
    FROM json_to_recordset($2::json) AS r (n integer, operation text, has_old boolean, ${fields.join(', ')})
    CROSS JOIN LATERAL (SELECT to_jsonb(t.*) AS new_row FROM (${row('n')}) AS t OFFSET 0) AS now
    CROSS JOIN LATERAL (
      SELECT CASE WHEN r.has_old THEN (SELECT to_jsonb(t.*) FROM (${row('o')}) AS t) END AS old_row OFFSET 0) AS before
    CROSS JOIN LATERAL (
      SELECT count(*)::integer AS count, CASE WHEN count(*) <= $3::integer THEN array_agg(bucket) END AS buckets
        FROM (SELECT DISTINCT bucket FROM ${functionSql}($1::text, r.operation, now.new_row, before.old_row) AS f (bucket)
               WHERE bucket <> '') AS named) AS answer`;
}

function recordsJson(columns: readonly TypedColumn[], rows: readonly RuleRow[]): string {
  return JSON.stringify(
    rows.map(({ data, operation = 'update', previous = null }, n) => {
      const record: Record<string, unknown> = { n, operation, has_old: previous !== null };
      for (const [position, { name }] of columns.entries()) {
        record[`n${position}`] = data[name];
        if (previous !== null) record[`o${position}`] = previous[name];
      }
      return record;
    }),
  );
}
