import { expect, it } from 'vitest';
import { rlsSql } from '../../lib/store/rls/rls.js';
import { owned, readOnly } from '../support/schema-fixtures.js';

function readPolicy(
  table: ReturnType<typeof readOnly>,
  readByBucket: boolean,
  ownershipResolver?: boolean,
): string {
  const options = { readByBucket, ...(ownershipResolver !== undefined && { ownershipResolver }) };
  const [policy = ''] = rlsSql([table], options).filter((sql) => sql.includes('FOR SELECT'));
  return policy.slice(policy.indexOf('USING'));
}

it.each([
  ['bucketByColumn', readOnly('projects', { bucketByColumn: 'team_id' })],
  [
    'bucketFunction',
    readOnly('projects', {
      bucketFunction: { schema: 'public', name: 'buckets_of', text: 'buckets_of' },
    }),
  ],
])("without reading by bucket, a table with %s and no owner is nobody's to read [W-LOAD-14]", (_, table) => {
  expect(readPolicy(table, false)).toBe('USING (false)');
  expect(readPolicy(table, true)).toContain('sync_bucket_edges');
});

it("a table with neither owner nor rule stays everyone's", () => {
  expect(readPolicy(readOnly('categories'), false)).toBe('USING (true)');
});

const shared = { allowGlobalRead: true, globalWhenBucketNull: true };

it("a row without an owner that a rule puts into a team's bucket is not everyone's [W-LOAD-14]", () => {
  const byColumn = owned('polls', { ...shared, bucketByColumn: 'team_id', bucketPrefix: 'team:' });
  expect(readPolicy(byColumn, false)).toContain('"user_id" IS NULL AND "polls"."team_id" IS NULL');
  const byFunction = owned('polls', {
    ...shared,
    bucketByColumn: null,
    bucketFunction: { schema: 'public', name: 'buckets_of', text: 'buckets_of' },
  });
  expect(readPolicy(byFunction, false)).not.toContain('IS NULL');
  expect(readPolicy(owned('tags', shared), false)).toMatch(/OR "tags"."user_id" IS NULL\)$/);
});

it.each([
  ['a resolver', readOnly('projects'), true],
  [
    'bucketSources',
    readOnly('projects', {
      bucketSources: [{ schema: 'public', relation: 'members', fkColumn: 'project_id' }],
    }),
    undefined,
  ],
])("a table that only %s says the readers of is never everyone's [W-HOST-53]", (_, table, resolver) => {
  expect(readPolicy(table, true, resolver)).toMatch(/^USING \(EXISTS \(SELECT FROM :sync\.sync_bucket_edges/);
  expect(readPolicy(table, false, resolver)).toBe('USING (false)');
});

it('nor is a row without an owner that a resolver puts somewhere [W-HOST-53]', () => {
  expect(readPolicy(owned('tags', shared), false, true)).not.toContain('IS NULL');
});
