import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { partition } from './common/collections.js';
import type { SynchroProblem } from './common/errors.js';
import { SYNC_DATA_SOURCE } from './database/data-source.token.js';
import { SyncRegistry } from './registry/sync-registry.js';
import { hasDefaultRule } from './resolvers/default-rule.js';
import { OwnershipResolver } from './resolvers/ownership-resolver.js';
import { SubscriptionResolver } from './resolvers/subscription-resolver.js';
import { unsubscribedBucketWarnings } from './resolvers/unsubscribed-buckets.js';
import { openPolicyWarnings } from './store/open-policies.js';

/** Tables whose rows reach no device, or that everybody may read, by the host's configuration. */
@Injectable()
export class VisibilityWarnings {
  constructor(
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
    private readonly registry: SyncRegistry,
    private readonly ownership: OwnershipResolver,
    private readonly subscriptions: SubscriptionResolver,
  ) {}

  async all(): Promise<readonly SynchroProblem[]> {
    const { dataSource, ownership } = this;
    const [placed, others] = partition(this.registry.all(), (table) => hasDefaultRule(ownership, table));
    return [
      ...unsubscribedBucketWarnings(placed, this.subscriptions),
      ...(await openPolicyWarnings(dataSource, others, ownership.constructor.name)),
    ];
  }
}
