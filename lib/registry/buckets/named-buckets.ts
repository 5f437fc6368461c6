import { CLIENT_BUCKETS, GLOBAL_BUCKET, USER_BUCKETS } from '../../common/canonical-id.js';
import type { SynchroProblem } from '../../common/errors.js';
import type { SyncTable } from '../sync-table.js';

/**
 * Whether the default rule takes a row's bucket from a value that its writer may choose, so that the bucket has to be
 * compared with those that the writer reads. The owner's column can't be chosen. Nor can the key of the row, or of
 * its parent, which is the writer's own: no other record has it, so its bucket is nobody else's, provided that the
 * prefix stands for that one table's records everywhere.
 */
export function namesBucket(tables: readonly SyncTable[], table: SyncTable): boolean {
  // A statement lets a row into a team's buckets by the members alone (`wantedSql`).
  if (table.members !== null) return false;
  const { bucketByColumn, bucketFunction, bucketPrefix, ownerColumn, writeBuckets } = table;
  if (bucketByColumn === null || bucketByColumn === ownerColumn) return false;
  if (writeBuckets === 'any' || bucketFunction !== null) return false;
  const records = recordsOf(table);
  if (records === null) return true;
  const prefix = bucketPrefix ?? USER_BUCKETS;
  const others = tables.filter((each) => each.bucketByColumn !== null && recordsOf(each) !== records);
  return [USER_BUCKETS, GLOBAL_BUCKET, ...others.map((each) => each.bucketPrefix ?? USER_BUCKETS)].some(
    (other) => other.startsWith(prefix) || prefix.startsWith(other),
  );
}

/** The table by whose keys the rows are bucketed; null when it is none's. */
function recordsOf({ name, bucketByColumn, idColumn, parent, parentFkColumn }: SyncTable): string | null {
  if (bucketByColumn === idColumn) return name;
  return bucketByColumn === parentFkColumn ? parent : null;
}

/** Prefixes with which a value could name a bucket that it must not: the reserved ones, and `global` by its name. */
export function bucketPrefixProblems(table: SyncTable): readonly SynchroProblem[] {
  const { bucketByColumn, bucketFunction, bucketPrefix: prefix, entity } = table;
  if (prefix === null || bucketByColumn === null || bucketFunction !== null) return [];
  const reserved = [CLIENT_BUCKETS, GLOBAL_BUCKET].filter((name) =>
    mayBeSent(table) ? name !== prefix && name.startsWith(prefix) : false,
  );
  if (prefix.startsWith(CLIENT_BUCKETS)) reserved.push(CLIENT_BUCKETS);
  const [name] = reserved;
  if (name === undefined) return [];
  return [
    {
      code: 'configuration_invalid',
      entity,
      option: 'bucketPrefix',
      message:
        prefix === ''
          ? `without a prefix, a device could name the bucket ${name} in ${bucketByColumn}`
          : `with ${prefix}, a value of ${bucketByColumn} could name the bucket ${name}, which is reserved`,
      fix: `give it a prefix of its own, such as 'team:', or list ${bucketByColumn} in protectedColumns`,
    },
  ];
}

/** Whether a device says what the bucket column holds. */
function mayBeSent(table: SyncTable): boolean {
  const { pushPolicy, bucketByColumn: column, ownerColumn, protectedColumns } = table;
  if (pushPolicy === 'disabled' || column === null || column === ownerColumn) return false;
  return recordsOf(table) !== null || !protectedColumns.has(column);
}
