import { GLOBAL_BUCKET } from '../common/canonical-id.js';
import type { SynchroProblem } from '../common/errors.js';
import type { SyncTable } from '../registry/sync-table.js';
import { UserSubscriptionResolver, type SubscriptionResolver } from './subscription-resolver.js';

/**
 * Tables whose rows would reach no device: they are in buckets of a prefix of their own, and no user is subscribed to
 * any (hazard W-OWN-1). A child's rows are in its parent's buckets as well.
 *
 * @param tables those whose buckets the default rule names
 *
 * Silent with a `SubscriptionResolver` of the host's, which may subscribe users to anything.
 */
export function unsubscribedBucketWarnings(
  tables: readonly SyncTable[],
  subscriptions: SubscriptionResolver,
): readonly SynchroProblem[] {
  if (subscriptions.constructor !== UserSubscriptionResolver) return [];
  return tables
    .filter(
      ({ parent, members, bucketByColumn, bucketPrefix }) =>
        parent === null &&
        members === null &&
        bucketByColumn !== null &&
        bucketPrefix !== null &&
        !isSubscribed(bucketPrefix),
    )
    .map(({ entity, bucketByColumn, bucketPrefix, globalWhenBucketNull }) => ({
      code: 'configuration_invalid',
      entity,
      option: 'bucketPrefix',
      message: `no user is subscribed to any bucket ${bucketPrefix}<${bucketByColumn}>, so ${globalWhenBucketNull ? 'only rows without one are' : 'no row is'} synced to anybody`,
      fix: 'subscribe users to them with a SubscriptionResolver of your own: forRoot({ providers: [{ provide: SubscriptionResolver, useClass: … }] })',
    }));
}

/** Whether a value can make one of the default subscriptions of it: `user:<id>` or `global`. */
function isSubscribed(prefix: string): boolean {
  return 'user:'.startsWith(prefix) || prefix.startsWith('user:') || GLOBAL_BUCKET.startsWith(prefix);
}
