import { USER_BUCKETS } from '../common/canonical-id.js';
import type { SyncTableOptions } from './sync-table.options.js';
import type { SyncTable } from './sync-table.js';

type BucketRule = Pick<
  SyncTable,
  'bucketByColumn' | 'bucketPrefix' | 'writeBuckets' | 'globalWhenBucketNull' | 'allowGlobalRead'
>;

/** The values of the bucket options that are left out (docs/options.md#synctable). */
export function bucketInference(
  options: SyncTableOptions,
  ownerColumn: string | null,
  bucketByColumn: string | null,
): BucketRule {
  const allowGlobalRead = options.allowGlobalRead ?? false;
  const inferred = bucketByColumn === null && ownerColumn !== null && options.bucketFunction === undefined;
  const column = inferred ? ownerColumn : bucketByColumn;
  return {
    bucketByColumn: column,
    bucketPrefix: options.bucketPrefix ?? (column === null ? null : USER_BUCKETS),
    writeBuckets: options.writeBuckets ?? 'readable',
    globalWhenBucketNull: options.globalWhenBucketNull ?? (inferred && allowGlobalRead),
    allowGlobalRead,
  };
}
