import { CLIENT_BUCKETS, isReservedBucket } from '../common/canonical-id.js';
import type { SyncLogger } from '../common/sync-logger.js';
import type { SubscriptionResolver } from './subscription-resolver.js';

/**
 * The buckets that a user reads, without those that are sync's own: by one of them, a user would read what is meant
 * for another one's device. The others hold, so that a name in the host's data blocks nobody.
 */
export async function subscribedBuckets(
  resolver: SubscriptionResolver,
  userId: string,
  logger: SyncLogger,
): Promise<readonly string[]> {
  const buckets = await resolver.resolveSubscriptions(userId);
  if (!buckets.some(isReservedBucket)) return buckets;
  logger.error(
    `${resolver.constructor.name} named buckets that begin with ${CLIENT_BUCKETS}, which are reserved for sync itself: they are left out`,
    { userId },
  );
  return buckets.filter((bucket) => !isReservedBucket(bucket));
}
