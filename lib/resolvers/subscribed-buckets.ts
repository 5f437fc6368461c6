import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ownQuery } from '../database/query-log/own-query.js';
import { bucketOf, CLIENT_BUCKETS, isReservedBucket } from '../common/canonical-id.js';
import { SyncLogger } from '../common/sync-logger.js';
import { bytesAbove, TEXT_LIMITS } from '../common/text-limits.js';
import { SYNC_DATA_SOURCE } from '../database/data-source.token.js';
import { SyncRegistry } from '../registry/sync-registry.js';
import type { ResolvedMembers } from '../registry/sync-table.js';
import { SYNCHRO_OPTIONS } from '../settings/synchro.options.js';
import type { SynchroSettings } from '../settings/synchro.settings.js';
import { teamsSql } from '../store/host-rows/members-sql.js';
import { SubscriptionResolver } from './subscription-resolver.js';

/**
 * The buckets that users read, without those that are sync's own: by one of them, a user would read entries for
 * another one's device. Names that no row's bucket can have, as they don't fit into PostgreSQL's index, are left out
 * too. The others stay, so that a name in the host's data blocks no user.
 */
@Injectable()
export class SubscribedBuckets {
  private readonly logger: SyncLogger;
  private readonly members: readonly ResolvedMembers[];

  constructor(
    private readonly resolver: SubscriptionResolver,
    @Inject(SYNCHRO_OPTIONS) { logger }: Pick<SynchroSettings, 'logger'>,
    registry: SyncRegistry,
    @Inject(SYNC_DATA_SOURCE) private readonly dataSource: DataSource,
  ) {
    this.logger = new SyncLogger(logger, 'Synchro');
    const all = registry.all().flatMap(({ members }) => members ?? []);
    this.members = [...new Map(all.map((each) => [teamsSql(each, '$1::text'), each])).values()];
  }

  async of({ userId }: { readonly userId: string }): Promise<readonly string[]> {
    const own = await this.resolver.resolveSubscriptions(userId);
    const buckets = [...own, ...(await this.teamsOf(userId))].filter(canHoldRows);
    if (!buckets.some(isReservedBucket)) return buckets;
    this.logger.error(
      `${this.resolver.constructor.name} named buckets that begin with ${CLIENT_BUCKETS}, which are reserved for sync itself: they are left out`,
      { userId },
    );
    return buckets.filter((bucket) => !isReservedBucket(bucket));
  }

  /** The buckets of the teams that the user is a member of, as the tables declare. */
  private async teamsOf(userId: string): Promise<readonly string[]> {
    if (this.members.length === 0) return [];
    const lists = this.members.map(
      (each) =>
        `(SELECT json_agg(teams.team) FROM (${teamsSql(each, '$1::text')}) AS teams WHERE teams.team <> '')`,
    );
    const [row] = await ownQuery<{ lists: readonly (readonly string[] | null)[] }>(
      this.dataSource,
      `SELECT json_build_array(${lists.join(', ')}) AS lists`,
      [userId],
    );
    const buckets = this.members.flatMap(({ bucketPrefix }, index) =>
      (row?.lists[index] ?? []).map((team) => bucketOf(bucketPrefix, team)),
    );
    return [...new Set(buckets)];
  }
}

function canHoldRows(bucket: string): boolean {
  return bytesAbove(TEXT_LIMITS.bucket, bucket) === null && !bucket.includes('\0');
}
