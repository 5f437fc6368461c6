import type { SyncTableOptions } from './sync-table.options.js';
import type { SyncTable } from './sync-table.js';

type BucketRule = Pick<
  SyncTable,
  'bucketByColumn' | 'bucketPrefix' | 'globalWhenBucketNull' | 'allowGlobalRead'
>;

/** What the bucket options mean when some are left out (config-semantics §1). */
export function bucketInference(
  options: SyncTableOptions,
  ownerColumn: string | null,
  bucketByColumn: string | null,
): BucketRule {
  const allowGlobalRead = options.allowGlobalRead ?? false;
  const inferred = bucketByColumn === null && ownerColumn !== null;
  const column = bucketByColumn ?? ownerColumn;
  return {
    bucketByColumn: column,
    bucketPrefix: column === null ? null : (options.bucketPrefix ?? 'user:'),
    globalWhenBucketNull: options.globalWhenBucketNull ?? (inferred && allowGlobalRead),
    allowGlobalRead,
  };
}
