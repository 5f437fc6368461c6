import type { SyncTable } from '../../registry/sync-table.js';
import type { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import { presentIds } from './current-rows.js';
import { parentOf } from '../tables/parent-of.js';
import type { MembershipWork } from './membership-work.js';
import type { RowEvent } from '../stream/row-events.js';

/**
 * The updates that would bring a row into a new bucket, though the row is deleted by now, as a later change says. No
 * device holds it by that bucket, so that bucket gets neither a create nor a delete. The bucket may even come from
 * out-of-date edges of a parent that is deleted, too: its move has found no row to move (interleavings 9). Inserts
 * are not among them: the device that made the row holds it.
 * @param place of an event in the batch, which selects its parent's buckets
 */
export async function updatesOfDeletedRows(
  tx: ChangelogTransaction,
  work: MembershipWork,
  table: SyncTable,
  events: readonly RowEvent[],
  place: (event: RowEvent) => number,
): Promise<ReadonlySet<RowEvent>> {
  const updates = new Set<RowEvent>();
  for (const event of events) {
    const { own } = event;
    if (event.row === null || event.kind !== 'update' || !own) continue;
    const parent = parentOf(table, event.row);
    const inherited = parent ? work.parentBuckets(parent, place(event)) : [];
    const { edges } = work.edges.record(table.name, event.recordId);
    if (!isWithin(edges, own) || !isWithin(edges, inherited)) updates.add(event);
  }
  if (updates.size === 0) return updates;
  const present = await presentIds(tx, table, [...new Set([...updates].map(({ recordId }) => recordId))]);
  for (const event of updates) if (present.has(event.recordId)) updates.delete(event);
  return updates;
}

function isWithin(edges: ReadonlyMap<string, boolean>, buckets: Iterable<string>): boolean {
  for (const bucket of buckets) if (!edges.has(bucket)) return false;
  return true;
}
