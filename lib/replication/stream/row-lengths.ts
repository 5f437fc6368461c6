import { SynchroError } from '../../common/errors.js';
import { bytesAbove, TEXT_LIMITS } from '../../common/text-limits.js';
import type { SyncTable } from '../../registry/sync-table.js';
import type { ResolveRow } from '../../resolvers/ownership-resolver.js';

/** @throws SynchroError `rule_failed` with the column of the first row whose id, or whose parent's, doesn't fit */
export function checkKeyLengths(table: SyncTable, rows: readonly ResolveRow[]): void {
  for (const { recordId, data } of rows) {
    const bytes = bytesAbove(TEXT_LIMITS.recordId, recordId);
    if (bytes !== null) throw tooLong(table.name, table.idColumn, bytes, 'a key');
    if (table.parentFkColumn === null) continue;
    const parentBytes = bytesAbove(TEXT_LIMITS.recordId, data[table.parentFkColumn] ?? '');
    if (parentBytes !== null) throw tooLong(table.name, table.parentFkColumn, parentBytes, 'a key');
  }
}

/**
 * @param rule the code that named the buckets; null: the default rule
 * @throws SynchroError `rule_failed` with the column, or the rule, for the first bucket that doesn't fit
 */
export function checkBucketLengths(
  table: SyncTable,
  rule: string | null,
  buckets: readonly (readonly string[])[],
): void {
  for (const own of buckets) {
    for (const bucket of own) {
      const bytes = bytesAbove(TEXT_LIMITS.bucket, bucket);
      if (bytes === null) continue;
      const column = table.bucketByColumn ?? table.ownerColumn;
      if (rule === null && column !== null)
        throw tooLong(table.name, column, bytes, 'a bucket', ' with its prefix');
      throw new SynchroError(
        'rule_failed',
        `${rule ?? 'the default rule'} named a bucket of ${bytes} bytes for ${table.name}: ${TEXT_LIMITS.bucket} are the most`,
        'name shorter buckets, such as by a hash of a long value.',
      );
    }
  }
}

function tooLong(
  table: string,
  column: string,
  bytes: number,
  what: 'a key' | 'a bucket',
  how = '',
): SynchroError {
  const limit = what === 'a key' ? TEXT_LIMITS.recordId : TEXT_LIMITS.bucket;
  return new SynchroError(
    'rule_failed',
    `${table}.${column} has ${bytes} bytes${how}: ${what} may have ${limit} at most`,
    'shorten the value: a row with it can not be synced.',
  );
}
