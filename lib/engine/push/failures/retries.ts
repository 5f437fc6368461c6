import { groupBy } from '../../../common/collections.js';
import { quoteIdentifier } from '../../../common/identifiers.js';
import { parseTimestamp, truncateMicros } from '../../../common/timestamp.js';
import { rowColumnsSql } from '../../../schema/row-json.js';
import type { ContractColumn, ContractTable } from '../../../schema/schema-contract.js';
import type { SqlRunner } from '../../../database/session.js';
import { columnJson } from '../values/client-values.js';
import type { FailureBudget } from './failure-budget.js';
import { type JsonObject, jsonText } from '../values/json.js';
import type { PushItem, StoredRow } from '../push-change.js';
import { endsTransaction } from '../sql/sqlstate.js';
import { contentDifferences, parseRow } from '../values/writable-columns.js';

/**
 * The changes that come again since their answer was lost (W-PUSH-11, 12): the row is already as they want it to be.
 * A change that starts from the present version is no retry: it would have moved the version on.
 *
 * Where a value is spelled in another way than PostgreSQL's (an interval, a time that the column rounds), PostgreSQL
 * itself converts it for the comparison.
 *
 * @param rowOf the record's row as far as the user may see it
 */
export async function findRetries(
  host: SqlRunner,
  items: readonly PushItem[],
  rowOf: (item: PushItem) => StoredRow | undefined,
  failing: Failing,
): Promise<ReadonlySet<PushItem>> {
  const found = new Set<PushItem>();
  const unsure: Candidate[] = [];
  for (const item of items) {
    const row = rowOf(item);
    if (!row?.owned || row.deletedAt !== null || item.data === null || isBase(item.base, row.updatedAt))
      continue;
    const columns = contentDifferences(item.table, item.data, row);
    if (columns.length === 0) found.add(item);
    else if (columns.every(isRespelled)) unsure.push({ item, row, data: item.data, columns });
  }
  for (const [table, group] of groupBy(unsure, ({ item }) => item.table)) {
    for (const item of await sameOnWire(host, table, group, failing)) found.add(item);
  }
  return found;
}

/** Whether the client started from this version. Compared at the base's own precision: Swift keeps milliseconds (W-PUSH-17). */
export function isBase(base: string | null, serverTime: string | null): boolean {
  const [at, server] = [base, serverTime].map((time) => (time === null ? null : parseTimestamp(time)));
  return !!at && !!server && truncateMicros(server.micros, at.digits) === at.micros;
}

/** Context for errors of the comparison in SQL. */
export interface Failing {
  readonly budget: FailureBudget;
  readonly isRerun: boolean;
}

interface Candidate {
  readonly item: PushItem;
  readonly row: StoredRow;
  readonly data: ReadonlyMap<string, unknown>;
  /** The items whose values have another spelling. */
  readonly columns: readonly ContractColumn[];
}

/** Types with one spelling for each value: another spelling is another value. */
const ONE_SPELLING: ReadonlySet<string> = new Set([
  'text',
  'varchar',
  'uuid',
  'bool',
  'int2',
  'int4',
  'int8',
]);

function isRespelled({ baseType, dbType }: ContractColumn): boolean {
  return !ONE_SPELLING.has(baseType) || dbType.startsWith('character varying(');
}

/** The items whose values PostgreSQL prints like the stored ones. A value that it can't read isn't stored. */
async function sameOnWire(
  host: SqlRunner,
  contract: ContractTable,
  candidates: readonly Candidate[],
  failing: Failing,
): Promise<readonly PushItem[]> {
  try {
    await host.query(`SAVEPOINT ${SAVEPOINT}`);
    const printed = await print(host, contract, candidates);
    await host.query(`RELEASE SAVEPOINT ${SAVEPOINT}`);
    return candidates
      .filter((candidate, index) => isPrinted(candidate, printed[index]))
      .map(({ item }) => item);
  } catch (error) {
    if (endsTransaction(error, failing.isRerun)) throw error;
    await host.query(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`);
  }
  failing.budget.spend();
  if (candidates.length === 1 || failing.budget.splitsNoMore) return [];
  const middle = Math.ceil(candidates.length / 2);
  return [
    ...(await sameOnWire(host, contract, candidates.slice(0, middle), failing)),
    ...(await sameOnWire(host, contract, candidates.slice(middle), failing)),
  ];
}

const SAVEPOINT = 'synchro_retries';

function isPrinted({ row, columns }: Candidate, printed: JsonObject | undefined): boolean {
  const stored = parseRow(row);
  return columns.every(({ name }) => jsonText(printed?.[name] ?? null) === jsonText(stored[name] ?? null));
}

/** The values as they would be on the wire, if they were stored. */
async function print(
  host: SqlRunner,
  contract: ContractTable,
  candidates: readonly Candidate[],
): Promise<readonly JsonObject[]> {
  const wanted = new Set(candidates.flatMap(({ columns }) => columns));
  const columns = contract.columns.filter((column) => wanted.has(column));
  const definitions = columns.map(({ name, sqlType }) => `${quoteIdentifier(name)} ${sqlType}`).join(', ');
  const records = candidates.map(({ row, data, columns: own }) => {
    const stored = parseRow(row);
    const members = own.map((column) => {
      const value = columnJson(column, data.get(column.name), stored[column.name]);
      return `${JSON.stringify(column.name)}:${value}`;
    });
    return `{${members.join(',')}}`;
  });
  const rows: { data: string }[] = await host.query(
    `SELECT (SELECT row_to_json(d.*)::text FROM (SELECT ${rowColumnsSql({ ...contract, columns }, 'r')}) AS d) AS data
     FROM ROWS FROM (json_to_recordset($1::json) AS (${definitions})) WITH ORDINALITY AS r ORDER BY ordinality`,
    [`[${records.join(',')}]`],
  );
  return rows.map(parseRow);
}
