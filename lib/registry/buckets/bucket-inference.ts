import { USER_BUCKETS } from '../../common/canonical-id.js';
import type { SyncTableOptions } from '../sync-table.options.js';
import type { SyncTable } from '../sync-table.js';

type BucketRule = Pick<
  SyncTable,
  'bucketByColumn' | 'bucketPrefix' | 'writeBuckets' | 'globalWhenBucketNull' | 'allowGlobalRead'
>;

/** The values of the bucket options that are left out (docs/options.md#synctable). */
export function bucketInference(
  options: SyncTableOptions,
  { ownerColumn, bucketByColumn, members }: Pick<SyncTable, 'ownerColumn' | 'bucketByColumn' | 'members'>,
): BucketRule {
  const allowGlobalRead = options.allowGlobalRead ?? false;
  // The members' buckets are the only ones, unless the owner counts beside them.
  const isByTeam = members !== null && (ownerColumn === null || !members.owner);
  const inferred =
    bucketByColumn === null && ownerColumn !== null && !isByTeam && options.bucketFunction === undefined;
  const column = isByTeam ? members.column : inferred ? ownerColumn : bucketByColumn;
  const prefix = isByTeam ? members.bucketPrefix : column === null ? null : USER_BUCKETS;
  return {
    bucketByColumn: column,
    bucketPrefix: options.bucketPrefix ?? prefix,
    writeBuckets: options.writeBuckets ?? 'readable',
    globalWhenBucketNull: options.globalWhenBucketNull ?? (inferred && allowGlobalRead),
    allowGlobalRead,
  };
}
