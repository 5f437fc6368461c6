import { setImmediate as turn } from 'node:timers/promises';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { readEdges, type EdgeRow, type RecordIds } from '../../store/changelog/edges.js';
import { parentOf } from '../tables/parent-of.js';
import { neededEdges } from './membership-work.js';

/** Some rows of a table, and what they and their parents have of edges. */
export interface RowsWithEdges {
  readonly rows: readonly ResolveRow[];
  /** Whose edges were read, though they may have none. */
  readonly records: RecordIds;
  readonly edges: readonly EdgeRow[];
}

/** Reads rows with the edges that resolving them needs, chunk by chunk on demand. */
export async function* withEdges(
  tx: ChangelogTransaction,
  table: SyncTable,
  chunks: AsyncIterable<readonly ResolveRow[]>,
): AsyncGenerator<RowsWithEdges> {
  for await (const rows of chunks) {
    const records = neededEdges(rows.map((row) => ({ table, recordId: row.recordId, row })));
    yield readAgain(tx, { rows, records, edges: [] });
  }
}

/** The same rows with the edges that there are now. */
export async function readAgain(tx: ChangelogTransaction, chunk: RowsWithEdges): Promise<RowsWithEdges> {
  return { ...chunk, edges: await tx.asked(readEdges(tx, chunk.records)) };
}

/** Parents that rows have now, and not yet as far as the log has come. */
export function newParents(table: SyncTable, { rows, edges }: RowsWithEdges): ReadonlySet<string> {
  const known = new Map(
    edges.filter((edge) => edge.table === table.name).map(({ recordId, parentId }) => [recordId, parentId]),
  );
  return new Set(
    rows.flatMap((row) => {
      const parent = parentOf(table, row);
      return parent === null || parent.id === known.get(row.recordId) ? [] : [parent.id];
    }),
  );
}

/** Asks for the next one of something before the one at hand is worked on: PostgreSQL reads it meanwhile. */
export async function* prefetched<Each>(source: AsyncGenerator<Each>): AsyncGenerator<Each> {
  let next = source.next();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done === true) return;
      next = source.next();
      next.catch(() => undefined); // the next iteration gets the error
      // It is on its way before what becomes of this one is.
      await turn();
      yield value;
    }
  } finally {
    // Nothing is sent any more once this has ended.
    await next.catch(() => undefined);
    await source.return(undefined);
  }
}
