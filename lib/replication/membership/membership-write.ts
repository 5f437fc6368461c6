import type { ChangelogEntry } from '../../store/changelog/changelog-entry.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import type { EdgeKey } from '../../store/changelog/edges.js';
import { deleteWaiting, saveWaiting, type WaitingRow } from '../../store/changelog/waiting-rows.js';
import { closeFailures, recordFailures } from '../rules/rule-failures.js';
import type { EdgeDifference } from './edge-workspace.js';
import type { MembershipWork, PendingWork } from './membership-work.js';
import { writeRecords } from './poison-rows.js';

interface MembershipDifference extends EdgeDifference {
  /** In the order of the log. */
  readonly entries: readonly ChangelogEntry[];
  readonly waiting: readonly WaitingRow[];
}

/**
 * Writes what a piece of work has found. See {@link writeRecords} for what becomes of a row that can't be written.
 * @param options.pending what of it may be stored already
 * @param options.silent without entries
 */
export async function writeMembership(
  tx: ChangelogTransaction,
  work: MembershipWork,
  { pending, silent }: { readonly pending: PendingWork; readonly silent: boolean },
): Promise<void> {
  const entries = silent ? [] : work.sortedEntries();
  await writeDifference(tx, { ...work.edges.difference(), entries, waiting: [...work.waiting.values()] });
  if (pending.waiting) {
    for (const [table, ids] of work.noLongerWaiting) await deleteWaiting(tx, table, [...ids]);
  }
  if (pending.failures) await closeFailures(tx, work.resolvedRows);
  if (work.failures.length > 0) await recordFailures(tx, work.failures);
}

async function writeDifference(tx: ChangelogTransaction, difference: MembershipDifference): Promise<void> {
  const { added, saved, gone, entries, waiting } = difference;
  const records = (): readonly EdgeKeyOf[] => [
    ...new Map(
      [added, saved, gone, entries, waiting]
        .flat()
        .map(({ table, recordId }) => [keyOf({ table, recordId }), { table, recordId }]),
    ).values(),
  ];
  await writeRecords(tx, records, (some) => send(tx, some === 'all' ? difference : only(difference, some)));
}

async function send(
  tx: ChangelogTransaction,
  { added, saved, gone, entries, waiting }: MembershipDifference,
): Promise<void> {
  tx.deleteEdges(gone);
  const withEntries = [added, saved].find((edges) => areOf(entries, edges));
  tx.writeEdges('update', saved, withEntries === saved ? entries : []);
  tx.writeEdges('insert', added, withEntries === added ? entries : []);
  if (!withEntries) tx.append(entries);
  await saveWaiting(tx, waiting);
}

type EdgeKeyOf = Pick<EdgeKey, 'table' | 'recordId'>;

function only(
  { added, saved, gone, entries, waiting }: MembershipDifference,
  records: readonly EdgeKeyOf[],
): MembershipDifference {
  const keys = new Set(records.map(keyOf));
  const isOfThem = (each: EdgeKeyOf): boolean => keys.has(keyOf(each));
  return {
    added: added.filter(isOfThem),
    saved: saved.filter(isOfThem),
    gone: gone.filter(isOfThem),
    entries: entries.filter(isOfThem),
    waiting: waiting.filter(isOfThem),
  };
}

function keyOf({ table, recordId }: EdgeKeyOf): string {
  return `${table}\0${recordId}`;
}

/** Whether each entry is of the edge in its place, as it is where rows are inserted, or updated and stay where they are. */
function areOf(entries: readonly ChangelogEntry[], edges: readonly EdgeKey[]): boolean {
  return (
    entries.length === edges.length &&
    entries.every(({ table, recordId, bucket }, index) => {
      const edge = edges[index];
      return edge?.recordId === recordId && edge.bucket === bucket && edge.table === table;
    })
  );
}
