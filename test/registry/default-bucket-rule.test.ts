import { describe, expect, it } from 'vitest';
import { SyncRegistry } from '../../lib/registry/sync-registry.js';
import type { SyncTable } from '../../lib/registry/sync-table.js';
import { JoinResolver } from '../../lib/resolvers/join-resolver.js';
import { owned, readOnly } from '../support/schema-fixtures.js';

async function buckets(table: SyncTable, userId: string | null): Promise<readonly string[]> {
  const row = { recordId: '1', data: { user_id: userId } };
  const [answer = []] = await new JoinResolver(new SyncRegistry([table])).resolveOwners('rows', [row]);
  return answer;
}

describe('the default bucket rule', () => {
  it.each([
    ['93', 'a table that everyone reads', readOnly('rows'), null, ['global']],
    ['94', 'a bucket column', owned('rows'), 'u', ['user:u']],
    ['94', 'a bucket column with a prefix', owned('rows', { bucketPrefix: 'team:' }), 'u', ['team:u']],
    ['95', 'a bucket column that is null', owned('rows'), null, []],
    [
      '96',
      'one that is null and global then',
      owned('rows', { globalWhenBucketNull: true }),
      null,
      ['global'],
    ],
  ] as const)('[scenario %s] %s', async (_, __, table, userId, expected) => {
    expect(await buckets(table, userId)).toEqual(expected);
  });

  it('[scenario 98] knows registered tables only', () => {
    const resolver = new JoinResolver(new SyncRegistry([]));
    expect(() => resolver.resolveOwners('nowhere', [])).toThrow('table nowhere is not registered for sync');
  });
});
