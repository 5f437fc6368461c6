import type { SqlRunner } from '../../../database/session.js';
import type { ContractColumn } from '../../../schema/schema-contract.js';
import { recordText } from '../sql/group-statement.js';
import { recordsSql } from '../sql/group-values.js';
import type { PushItem } from '../push-change.js';
import { serverError, sqlFailure, sqlState } from '../sql/sqlstate.js';
import type { Write } from '../writing/judge.js';
import type { Failure } from './failures.js';

/**
 * The columns that refuse their values, by change: PostgreSQL names the one that must not be null, and is asked for one
 * that it can't read. Only columns that devices know are named.
 */
export async function badColumns(
  host: SqlRunner,
  failures: ReadonlyMap<PushItem, Failure>,
): Promise<ReadonlyMap<PushItem, string>> {
  const found = new Map<PushItem, string>();
  let asked = 0;
  for (const [item, failure] of failures) {
    if (failure.kind !== 'sql') continue;
    const { write, error } = failure;
    const isUnread = sqlFailure(error) === 'data' && asked++ < MOST_ASKED;
    const column = isUnread ? await unreadColumn(host, write) : nullColumn(write, error);
    if (column !== null) found.set(item, column);
  }
  return found;
}

/** Changes of one push whose columns are asked for: each takes some statements. */
const MOST_ASKED = 20;

/** The first column, in the order of the statement, whose value PostgreSQL can't read; found by halves. */
async function unreadColumn(host: SqlRunner, write: Write): Promise<string | null> {
  const { columns } = write;
  if (await isRead(host, write, columns)) return null;
  let [read, unread] = [0, columns.length];
  while (unread - read > 1) {
    const middle = (read + unread) >> 1;
    if (await isRead(host, write, columns.slice(0, middle))) read = middle;
    else unread = middle;
  }
  return columns[read]?.name ?? null;
}

/** Whether PostgreSQL reads these values of a record. */
async function isRead(host: SqlRunner, write: Write, columns: readonly ContractColumn[]): Promise<boolean> {
  const contract = write.item.table;
  const records = recordsSql({ contract, columns, form: 'plain', granted: null });
  await host.query(`SAVEPOINT ${SAVEPOINT}`);
  try {
    await host.query(`SELECT FROM ${records}`, [`[${recordText({ ...write, columns })}]`]);
    await host.query(`RELEASE SAVEPOINT ${SAVEPOINT}`);
    return true;
  } catch (error) {
    if (sqlState(error) === null) throw error;
    await host.query(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`);
    return sqlFailure(error) !== 'data';
  }
}

const SAVEPOINT = 'synchro_bad_column';

/** The column that a null was refused by, unless it is another table's, which a trigger writes. */
function nullColumn({ item: { table } }: Write, error: unknown): string | null {
  const { code, schema, table: name, column } = serverError(error) ?? {};
  if (code !== '23502' || schema !== table.table.schema || name !== table.table.name) return null;
  return table.columns.some((each) => each.name === column) ? (column ?? null) : null;
}
