import type { Pieces } from '../../common/pieces.js';
import type { PushChange, ChangeRef, PushItem, PushResult, StoredRow } from './push-change.js';
import { numberToken } from './values/numbers.js';

/**
 * The verdicts of docs/protocol.md#reasons. A rejected change that carries the server's version makes the device take
 * that version over; without one, the device only forgets its change.
 */
export function applied(
  ref: ChangeRef,
  times: Pick<PushResult, 'server_updated_at' | 'server_deleted_at'> = {},
): PushResult {
  return { accepted: true, ...ref, status: 'applied', ...times };
}

export function alreadyDeleted(ref: ChangeRef): PushResult {
  return { ...applied(ref), reason_code: 'already_deleted', message: 'record already deleted' };
}

/** The device sends it again with its next push. */
export function retryable(ref: ChangeRef, reason: string, message: string): PushResult {
  return { accepted: false, ...ref, status: 'rejected_retryable', reason_code: reason, message };
}

/** The device sends them again, so that a push of any size gets through (W-PUSH-21). */
export function tooMany(change: PushChange): PushResult {
  return retryable(refOf(change, numberToken(change.id)), 'too_many_changes', 'too many changes in one push');
}

export function terminal(ref: ChangeRef, reason: string, message: string): PushResult {
  return { accepted: false, ...ref, status: 'rejected_terminal', reason_code: reason, message };
}

/** The reason and the message for data that can't be stored. The message names the column, where it is known; no value. */
export function invalidData(column: string | null): readonly [reason: string, message: string] {
  return [
    'invalid_data',
    column === null ? 'invalid data format' : `invalid data format: column "${column}"`,
  ];
}

/** Terminal, and the device goes back to the server's version if the user may see the row. */
export function reverted(
  item: PushItem,
  row: StoredRow | undefined,
  reason: string,
  message: string,
): PushResult {
  const result = terminal(item.ref, reason, message);
  return row ? { ...result, server_version: recordJson(item, row) } : result;
}

/** The server's version stays. */
export function conflict(item: PushItem, row: StoredRow, reason: string, message: string): PushResult {
  return {
    accepted: false,
    ...item.ref,
    status: 'conflict',
    reason_code: reason,
    message,
    server_version: recordJson(item, row),
  };
}

/**
 * The same verdicts with at most this number of bytes of server's versions. The records of those that lose theirs are
 * redelivered by pulls.
 */
export function* withinBytes(
  results: readonly PushResult[],
  maxBytes: number,
): Pieces<readonly PushResult[]> {
  let left = maxBytes;
  const kept: PushResult[] = [];
  for (const result of results) {
    const { server_version: version, ...rest } = result;
    if (version !== undefined && left > 0) left -= Buffer.byteLength(version);
    kept.push(version === undefined || left >= 0 ? result : rest);
    yield;
  }
  return kept;
}

/** The reference of a change, for any content of it: SDKs need three strings. */
export function refOf(change: PushChange, id: string | null = null): ChangeRef {
  return {
    id: typeof change.id === 'string' ? change.id : (id ?? ''),
    table_name: typeof change.table_name === 'string' ? change.table_name : '',
    operation: typeof change.operation === 'string' ? change.operation : '',
  };
}

/** The wire's Record; `data` is spliced, never parsed. */
function recordJson(item: PushItem, row: StoredRow): string {
  const deleted = row.deletedAt === null ? '' : `,"deleted_at":${JSON.stringify(row.deletedAt)}`;
  const updated = JSON.stringify(row.updatedAt ?? NEVER);
  const table = JSON.stringify(item.table.table.name);
  return `{"id":${JSON.stringify(row.id)},"table_name":${table},"data":${row.data},"updated_at":${updated}${deleted}}`;
}

/** SDKs can't do without `updated_at`. */
const NEVER = '1970-01-01T00:00:00Z';
