import { upsert } from '../../common/collections.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import type { RowEvents } from '../stream/row-events.js';

/** A record for which something can't be done, and why. */
export interface PoisonRow {
  readonly table: string;
  readonly recordId: string;
  readonly error: Error;
}

/** Told of rows that keep the buckets that they have for now, and are tried again. */
export interface RowReports {
  /** They can't be written. */
  poison(rows: readonly PoisonRow[]): void;
  /** Their rule failed. */
  failed(rows: readonly PoisonRow[]): void;
}

/** Some records can't be written: the work is done again without them. */
class PoisonFound extends Error {
  constructor(
    readonly rows: readonly PoisonRow[],
    cause: unknown,
  ) {
    super('some rows cannot be written to the log', { cause });
  }
}

/** Records that are left as they are for now. */
export class SetAside {
  private readonly byTable = new Map<string, Map<string, PoisonRow>>();

  has(table: string, recordId: string): boolean {
    return this.byTable.get(table)?.has(recordId) === true;
  }

  add({ rows }: PoisonFound): void {
    for (const row of rows) upsert(this.byTable, row.table, () => new Map()).set(row.recordId, row);
  }

  get rows(): readonly PoisonRow[] {
    return [...this.byTable.values()].flatMap((rows) => [...rows.values()]);
  }

  /** The events that are not of these records. */
  without(byTable: RowEvents['byTable']): RowEvents['byTable'] {
    if (this.byTable.size === 0) return byTable;
    return new Map(
      [...byTable].map(([table, events]) => [
        table,
        events.filter(({ recordId }) => !this.has(table, recordId)),
      ]),
    );
  }
}

/**
 * Works something out and writes it. In a careful transaction that is done over for as long as {@link writeRecords} finds
 * rows that can't be written, without those: others may depend on what becomes of them (a parent's children).
 */
export async function withoutPoison<Result>(
  tx: ChangelogTransaction,
  run: (aside: SetAside) => Promise<Result>,
  record: (aside: SetAside) => Promise<void>,
): Promise<Result> {
  const aside = new SetAside();
  if (!tx.careful) return run(aside);
  for (;;) {
    const results: Result[] = [];
    const failure = await tx.attempt(async () => void results.push(await run(aside)));
    if (failure === null) {
      if (aside.rows.length > 0) await record(aside);
      return results[0] as Result;
    }
    if (!(failure instanceof PoisonFound) || failure.rows.every((row) => aside.has(row.table, row.recordId)))
      throw failure;
    aside.add(failure);
  }
}

/**
 * Sends what belongs to some records; in a careful transaction it finds those for which it fails.
 * @param send for these records (`table` and `recordId`), or for all
 * @throws what makes {@link withoutPoison} do it over
 */
export async function writeRecords(
  tx: ChangelogTransaction,
  records: () => readonly RecordKey[],
  send: (some: readonly RecordKey[] | 'all') => Promise<void>,
): Promise<void> {
  if (!tx.careful) return send('all');
  const failure = await tx.attempt(() => send('all'));
  if (failure === null) return;
  const rows = await findPoison(tx, records(), send, failure);
  // All together fail, and none alone: that is not for the sake of a row.
  if (rows.length === 0) throw failure;
  throw new PoisonFound(rows, failure);
}

interface RecordKey {
  readonly table: string;
  readonly recordId: string;
}

/**
 * Finds the few failing records among many by halves. The error that is thrown for them rolls back what was written.
 */
async function findPoison(
  tx: ChangelogTransaction,
  records: readonly RecordKey[],
  send: (some: readonly RecordKey[]) => Promise<void>,
  failure: unknown,
): Promise<readonly PoisonRow[]> {
  const [record] = records;
  if (!record) return [];
  if (records.length === 1)
    return [{ ...record, error: failure instanceof Error ? failure : new Error(String(failure)) }];
  const middle = records.length >> 1;
  const found: PoisonRow[] = [];
  for (const half of [records.slice(0, middle), records.slice(middle)]) {
    const failed = await tx.attempt(() => send(half));
    if (failed !== null) found.push(...(await findPoison(tx, half, send, failed)));
  }
  return found;
}
