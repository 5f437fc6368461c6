import { USER_BUCKETS } from '../../../common/canonical-id.js';
import { bytesAbove, TEXT_LIMITS } from '../../../common/text-limits.js';
import { memberBucket } from '../../../registry/buckets/members.js';
import type { SyncTable } from '../../../registry/sync-table.js';
import { numberToken } from './numbers.js';

/**
 * Why a row of this content could never be synced: its key, its parent's or its bucket is longer than the sync tables can
 * hold. null: it could be.
 * @param data the columns that were sent; null for a delete
 */
export function lengthProblem(
  table: SyncTable,
  id: string,
  data: ReadonlyMap<string, unknown> | null,
): string | null {
  const bucketColumn = table.bucketByColumn ?? table.ownerColumn;
  const prefix = table.bucketPrefix ?? USER_BUCKETS;
  const members = memberBucket(table);
  const texts: readonly (readonly [column: string, text: string, limit: number])[] = [
    [table.idColumn, id, TEXT_LIMITS.recordId],
    ...sent(data, table.parentFkColumn, TEXT_LIMITS.recordId),
    ...sent(data, bucketColumn, TEXT_LIMITS.bucket - Buffer.byteLength(prefix)),
    ...sent(data, members?.column ?? null, TEXT_LIMITS.bucket - Buffer.byteLength(members?.prefix ?? '')),
  ];
  for (const [column, text, limit] of texts) {
    const bytes = bytesAbove(limit, text);
    if (bytes !== null) return `${column} has ${bytes} bytes: ${limit} are the most that can be synced`;
  }
  return null;
}

function sent(
  data: ReadonlyMap<string, unknown> | null,
  column: string | null,
  limit: number,
): readonly (readonly [string, string, number])[] {
  const value = column === null ? undefined : data?.get(column);
  const text = typeof value === 'string' ? value : numberToken(value);
  return column === null || text === null ? [] : [[column, text, limit]];
}
