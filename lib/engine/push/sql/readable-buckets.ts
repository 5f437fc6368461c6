import { quoteIdentifier } from '../../../common/identifiers.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import type { ContractTable } from '../../../schema/schema-contract.js';
import { namedBucketsSql } from '../../../store/host-rows/named-buckets-sql.js';
import type { SqlStatement } from '../../../database/pipeline.js';
import type { Write } from '../writing/judge.js';
import type { PushContext, PushItem, PushResult, StoredRow } from '../push-change.js';
import { idAmongSql, recordKey } from '../values/record-id.js';
import { reverted } from '../verdicts.js';
import type { WriteGroup } from '../writing/write-groups.js';

/**
 * Finds the writes that put a row into a bucket which its user doesn't read: devices of others would pull it. The rows'
 * buckets are read before and after the write, so that what triggers make of a row counts. A row may be changed in the
 * buckets that it is in; one that comes back from its deletion is new to them.
 */
export class BucketCheck {
  private readonly groups: readonly WriteGroup[];

  constructor(
    private readonly registry: SyncRegistry,
    private readonly context: Pick<PushContext, 'buckets' | 'subscriptions'>,
    all: readonly WriteGroup[],
  ) {
    this.groups = all.filter(
      ([{ item, kind }]) => kind !== 'delete' && namedBucketsSql(registry, item.table.table, 't') !== null,
    );
  }

  /** To be run before the writes, and again after them; none where no bucket can be wrong. */
  get statements(): readonly SqlStatement[] {
    return this.groups.map((group) => bucketsSql(this.registry, group[0].item.table, group));
  }

  /** @param before the rows of each statement */
  refused(before: readonly unknown[], after: readonly unknown[]): ReadonlySet<Write> {
    const readable = new Set(this.context.subscriptions ?? this.context.buckets);
    return new Set(
      this.groups.flatMap((group, index) => {
        const [held, now] = [before, after].map((rows) => bucketsByKey(group, rows[index]));
        return group.filter(({ item: { key }, kind }) => {
          const own = new Set(kind === 'update' ? held?.get(key) : []);
          return now?.get(key)?.some((bucket) => !readable.has(bucket) && !own.has(bucket));
        });
      }),
    );
  }
}

/** The device goes back to the server's version where there is one. */
export function notReadable(item: PushItem, row: StoredRow | undefined): PushResult {
  return reverted(
    item,
    row,
    'bucket_not_readable',
    'not allowed to put the record where its user does not read',
  );
}

interface BucketsRow {
  readonly id: string;
  readonly buckets: readonly string[];
}

function bucketsSql(registry: SyncRegistry, contract: ContractTable, group: WriteGroup): SqlStatement {
  const { table, primaryKey } = contract;
  const key = `t.${quoteIdentifier(primaryKey.name)}`;
  return {
    sql: `SELECT ${key}::text AS id, ${namedBucketsSql(registry, table, 't') ?? `'{}'::text[]`} AS buckets
      FROM ${table.sql} AS t WHERE ${idAmongSql(primaryKey, key, '$1')}`,
    parameters: [group.map(({ item, row }) => row?.id ?? item.id)],
  };
}

function bucketsByKey([{ item }]: WriteGroup, rows: unknown): ReadonlyMap<string, readonly string[]> {
  return new Map(
    (rows as readonly BucketsRow[]).map(({ id, buckets }) => [recordKey(item.table, id), buckets]),
  );
}
