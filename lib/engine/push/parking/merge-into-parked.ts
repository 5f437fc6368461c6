import { NOT_FOUND } from '../check-change.js';
import { dataJson } from './parked-change.js';
import type { PushItem, PushResult } from '../push-change.js';
import { applied, invalidData, terminal } from '../verdicts.js';

/** A parked record after a later change of it, and the verdict on that change. */
export interface MergedChange {
  /** The create that is to be written once its parent exists; null when the record is gone. */
  readonly parked: PushItem | null;
  readonly verdict: PushResult;
  /** The device holds the record under another parent, to which an update can't move it. */
  readonly moves?: boolean;
}

/**
 * Takes a later change into a parked create (interleavings 20). The device holds the record for written, so it
 * sends updates and deletes; or it sends the create again, since an answer was lost.
 *
 * @param times what an accepted change is answered
 */
export function mergeIntoParked(
  parked: PushItem | null,
  change: PushItem,
  times: Pick<PushResult, 'server_updated_at'>,
): MergedChange {
  if (change.operation === 'create') {
    // A copy that was late on its way takes nothing back.
    const isLater = parked === null || change.clientMicros >= parked.clientMicros;
    return { parked: isLater ? change : parked, verdict: applied(change.ref, times) };
  }
  if (parked === null) {
    const verdict = terminal(change.ref, 'record_not_found', NOT_FOUND[change.operation]);
    return { parked, verdict };
  }
  if (change.operation === 'delete') return { parked: null, verdict: applied(change.ref) };
  if (change.data === null) {
    return { parked, verdict: terminal(change.ref, ...invalidData(change.unfitColumn)) };
  }
  const column = parked.table.table.parentFkColumn ?? '';
  const parent = change.data.get(column) ?? parked.data?.get(column);
  return {
    parked: merged(parked, change, change.data),
    verdict: applied(change.ref, times),
    moves: parent !== parked.data?.get(column),
  };
}

/** An update can't move a record to another parent, parked or not. */
function merged(parked: PushItem, update: PushItem, changes: ReadonlyMap<string, unknown>): PushItem {
  const { parentFkColumn } = parked.table.table;
  const data = new Map([
    ...(parked.data ?? []),
    ...[...changes].filter(([column]) => column !== parentFkColumn),
  ]);
  const isLater = update.clientMicros > parked.clientMicros;
  return {
    ...parked,
    data,
    dataText: () => dataJson(data),
    clientMicros: isLater ? update.clientMicros : parked.clientMicros,
  };
}
