import { describe, expect, it } from 'vitest';
import { SubscriptionResolver, UserSubscriptionResolver } from '../../lib/resolvers/subscription-resolver.js';
import { unsubscribedBucketWarnings } from '../../lib/resolvers/unsubscribed-buckets.js';
import { owned, readOnly } from '../support/schema-fixtures.js';

class Teams extends SubscriptionResolver {
  override resolveSubscriptions(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }
}

describe('rows that nobody is subscribed to', () => {
  const byTeam = { bucketByColumn: 'team', bucketPrefix: 'team:' };

  it.each([
    ['a prefix of its own', owned('a', byTeam), ['no row is synced to anybody']],
    [
      'one whose rows without a bucket are global',
      owned('a', { ...byTeam, globalWhenBucketNull: true }),
      ['only rows without one are synced to anybody'],
    ],
    ['the default prefix', owned('a'), []],
    ['a longer one that begins with it', owned('a', { ...byTeam, bucketPrefix: 'user:x-' }), []],
    ['none: the values are whole bucket names', owned('a', { ...byTeam, bucketPrefix: '' }), []],
    ['a child, whose rows are in its parent’s buckets', owned('a', { ...byTeam, parent: 'b' }), []],
    ['a table without a bucket column', readOnly('a'), []],
  ])('%s [W-OWN-1]', (_, table, expected) => {
    const warnings = unsubscribedBucketWarnings([table], new UserSubscriptionResolver());
    expect(warnings.map(({ message }) => message)).toEqual(
      expected.map((end) => expect.stringContaining(end)),
    );
    expect(unsubscribedBucketWarnings([table], new Teams())).toEqual([]);
  });
});
