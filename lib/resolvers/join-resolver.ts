import { Injectable } from '@nestjs/common';
import { bucketOf, GLOBAL_BUCKET, USER_BUCKETS } from '../common/canonical-id.js';
import { memberBucket } from '../registry/buckets/members.js';
import { SyncRegistry } from '../registry/sync-registry.js';
import type { SyncTable } from '../registry/sync-table.js';
import { OwnershipResolver, type ResolveRow } from './ownership-resolver.js';

/**
 * The default rule (docs/tables-and-buckets.md#the-default-rule): the bucket column, else the owner column, else the
 * parent's buckets, else `global`. It does not name the parent's buckets: they are added for every child.
 */
@Injectable()
export class JoinResolver extends OwnershipResolver {
  constructor(private readonly registry: SyncRegistry) {
    super();
  }

  override resolveOwners(
    table: string,
    rows: readonly ResolveRow[],
  ): Promise<readonly (readonly string[])[]> {
    const syncTable = this.registry.get(table);
    return Promise.resolve(rows.map((row) => defaultBuckets(syncTable, row.data)));
  }
}

/** The columns that {@link defaultBuckets} reads. */
export function bucketColumns(table: SyncTable): readonly string[] {
  return [table.bucketByColumn ?? table.ownerColumn, memberBucket(table)?.column ?? null].filter(
    (column) => column !== null,
  );
}

function defaultBuckets(table: SyncTable, data: ResolveRow['data']): readonly string[] {
  const members = memberBucket(table);
  const team = members === null ? '' : (data[members.column] ?? '');
  const own = ownBuckets(table, data);
  return members === null || team === '' ? own : [...own, bucketOf(members.prefix, team)];
}

function ownBuckets(table: SyncTable, data: ResolveRow['data']): readonly string[] {
  const column = table.bucketByColumn ?? table.ownerColumn;
  if (column === null) return table.parent === null ? [GLOBAL_BUCKET] : [];
  const value = data[column] ?? '';
  if (value !== '') return [bucketOf(table.bucketPrefix ?? USER_BUCKETS, value)];
  return table.globalWhenBucketNull ? [GLOBAL_BUCKET] : [];
}
