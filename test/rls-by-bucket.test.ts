import { expect, it } from 'vitest';
import { rlsSql } from '../lib/store/rls.js';
import { readOnly } from './schema-fixtures.js';

function readPolicy(table: ReturnType<typeof readOnly>, readByBucket: boolean): string {
  const [policy = ''] = rlsSql([table], { readByBucket }).filter((sql) => sql.includes('FOR SELECT'));
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
])(
  "without reading by bucket, a table with %s and no owner is nobody's to read [W-LOAD-14]",
  (_, table) => {
    expect(readPolicy(table, false)).toBe('USING (false)');
    expect(readPolicy(table, true)).toContain('sync_bucket_edges');
  },
);

it("a table with neither owner nor rule stays everyone's", () => {
  expect(readPolicy(readOnly('categories'), false)).toBe('USING (true)');
});
