import { USER_BUCKETS } from '../common/canonical-id.js';
import type { SyncRegistry } from '../registry/sync-registry.js';
import type { SyncTable } from '../registry/sync-table.js';
import { JoinResolver } from './join-resolver.js';
import type { OwnershipResolver } from './ownership-resolver.js';

/** Whether the default rule alone says what a table's own buckets are: a subclass of its resolver may add to it. */
export function hasDefaultRule(resolver: OwnershipResolver, table: SyncTable): boolean {
  return resolver.constructor === JoinResolver && table.bucketFunction === null;
}

/** Whether the owner of a row always sees it: no bucket that a `SubscriptionResolver` may take away decides. */
export function isSeenByOwner(
  resolver: OwnershipResolver,
  registry: SyncRegistry,
  table: SyncTable,
): boolean {
  return [table, ...registry.ancestors(table)].every(
    (each) =>
      hasDefaultRule(resolver, each) &&
      each.members === null &&
      (each.bucketByColumn === null || each.bucketByColumn === each.ownerColumn) &&
      (each.bucketPrefix === null || each.bucketPrefix === USER_BUCKETS),
  );
}

/**
 * Whether the default rule alone decides the readers of a table's rows, so that it can be evaluated on the rows
 * themselves: it does for the table and for every table that it inherits from.
 */
export function isSeenByDefaultRule(
  resolver: OwnershipResolver,
  registry: SyncRegistry,
  table: SyncTable,
): boolean {
  return [table, ...registry.ancestors(table)].every((each) => hasDefaultRule(resolver, each));
}
