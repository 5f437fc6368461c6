import { Inject, Injectable } from '@nestjs/common';
import { CLIENT_BUCKETS, isReservedBucket } from '../common/canonical-id.js';
import { SyncLogger } from '../common/sync-logger.js';
import { bytesAbove, TEXT_LIMITS } from '../common/text-limits.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { SubscriptionResolver } from './subscription-resolver.js';

/**
 * The buckets that users read, without those that are sync's own: by one of them, a user would read what is meant for
 * another one's device. Names that no row's bucket can have, as PostgreSQL has no place for them, are left out too. The
 * others hold, so that a name in the host's data blocks nobody.
 */
@Injectable()
export class SubscribedBuckets {
  private readonly logger: SyncLogger;

  constructor(
    private readonly resolver: SubscriptionResolver,
    @Inject(SYNCHRO_OPTIONS) { logger }: Pick<SynchroSettings, 'logger'>,
  ) {
    this.logger = new SyncLogger(logger, 'Synchro');
  }

  async of({ userId }: { readonly userId: string }): Promise<readonly string[]> {
    const buckets = (await this.resolver.resolveSubscriptions(userId)).filter(canHoldRows);
    if (!buckets.some(isReservedBucket)) return buckets;
    this.logger.error(
      `${this.resolver.constructor.name} named buckets that begin with ${CLIENT_BUCKETS}, which are reserved for sync itself: they are left out`,
      { userId },
    );
    return buckets.filter((bucket) => !isReservedBucket(bucket));
  }
}

function canHoldRows(bucket: string): boolean {
  return bytesAbove(TEXT_LIMITS.bucket, bucket) === null && !bucket.includes('\0');
}
