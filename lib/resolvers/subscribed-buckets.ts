import { bytesAbove, TEXT_LIMITS } from '../common/text-limits.js';
import type { SubscriptionResolver } from './subscription-resolver.js';

/**
 * The buckets that a user reads, but for those that no row can be in, as PostgreSQL has no place for them: they must not
 * keep the user from the others.
 */
export async function subscribedBuckets(
  resolver: SubscriptionResolver,
  userId: string,
): Promise<readonly string[]> {
  const buckets = await resolver.resolveSubscriptions(userId);
  return buckets.every(canBe) ? buckets : buckets.filter(canBe);
}

function canBe(bucket: string): boolean {
  return bytesAbove(TEXT_LIMITS.bucket, bucket) === null && !bucket.includes('\0');
}
