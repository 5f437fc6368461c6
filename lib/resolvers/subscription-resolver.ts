import { Injectable } from '@nestjs/common';
import { bucketOf, GLOBAL_BUCKET, USER_BUCKETS } from '../common/canonical-id.js';

/**
 * Says which buckets a user reads. When the answer changes, rows that come into view arrive and rows that leave
 * are deleted on the user's devices by ordinary pulls.
 */
export abstract class SubscriptionResolver {
  /** @param userId the canonical user id. Asked at every register, pull, push and snapshot: keep it cheap. */
  abstract resolveSubscriptions(userId: string): readonly string[] | Promise<readonly string[]>;
}

/** The default: the user's own bucket and `global`. */
@Injectable()
export class UserSubscriptionResolver extends SubscriptionResolver {
  override resolveSubscriptions(userId: string): readonly string[] {
    return [bucketOf(USER_BUCKETS, userId), GLOBAL_BUCKET];
  }
}
