import { quoteIdentifier } from '../../common/identifiers.js';
import type { SyncLogger } from '../../common/sync-logger.js';
import type { SyncRegistry } from '../../registry/sync-registry.js';
import type { ContractTable } from '../../schema/schema-contract.js';
import { namedBucketsSql } from '../../store/named-buckets-sql.js';
import type { Statement } from '../../store/pipeline.js';
import type { RoleSwitch } from '../../store/role-switch.js';
import type { PushContext, PushItem, PushResult, StoredRow } from './push-change.js';
import { idAmongSql, recordKey } from './record-id.js';
import type { Outcome } from './run-writer.js';
import { reverted } from './verdicts.js';
import type { Run } from './waves.js';

/** What the check of written rows needs. */
export interface BucketCheck {
  readonly roles: RoleSwitch;
  readonly registry: SyncRegistry;
  readonly context: PushContext;
  readonly logger: SyncLogger;
}

/**
 * Writes a run, and takes back what has put a row into a bucket that its user doesn't read: devices of others would
 * pull it. The rows are read back after the write, so that what triggers make of them counts. A row that stays in the
 * buckets that it is in may be changed there; one that comes back from its deletion is new to them.
 */
export async function writeReadable(
  { roles, registry, context, logger }: BucketCheck,
  run: Run,
  write: (run: Run) => Promise<readonly Outcome[]>,
): Promise<readonly Outcome[]> {
  const [{ item, kind }] = run;
  const look = kind === 'delete' ? null : lookSql(registry, item.table, run);
  if (!look) return write(run);
  await roles.command(`SAVEPOINT ${SAVEPOINT}`);
  const before = kind === 'update' ? await bucketsByKey(roles, look, item.table) : new Map<string, never>();
  const outcomes = await write(run);
  const after = await bucketsByKey(roles, look, item.table);
  const readable = new Set(context.subscriptions ?? context.buckets);
  const refused = new Set(
    run.filter(({ item: { key } }) => {
      const held = new Set(before.get(key));
      return (after.get(key) ?? []).some((bucket) => !readable.has(bucket) && !held.has(bucket));
    }),
  );
  if (refused.size === 0) {
    await roles.command(`RELEASE SAVEPOINT ${SAVEPOINT}`, 'own');
    return outcomes;
  }
  await roles.command(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`);
  const { name } = item.table.table;
  logger.warn(
    `changes were rejected that would have put rows into buckets which their user does not read (see writeBuckets of @SyncTable)`,
    { table: name, count: refused.size, userId: context.userId, clientId: context.clientId },
  );
  const [first, ...rest] = run.filter((each) => !refused.has(each));
  return [
    ...[...refused].map((each) => ({ kind: 'unreadable', write: each }) as const),
    ...(first ? await writeReadable({ roles, registry, context, logger }, [first, ...rest], write) : []),
  ];
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

const SAVEPOINT = 'synchro_buckets';

interface BucketsRow {
  readonly id: string;
  readonly buckets: readonly string[];
}

function lookSql(registry: SyncRegistry, contract: ContractTable, run: Run): Statement | null {
  const buckets = namedBucketsSql(registry, contract.table, 't');
  if (buckets === null) return null;
  const key = `t.${quoteIdentifier(contract.primaryKey.name)}`;
  return {
    sql: `SELECT ${key}::text AS id, ${buckets} AS buckets FROM ${contract.table.sql} AS t
      WHERE ${idAmongSql(contract.primaryKey, key, '$1')}`,
    parameters: [run.map(({ item, row }) => row?.id ?? item.id)],
  };
}

async function bucketsByKey(
  roles: RoleSwitch,
  look: Statement,
  table: ContractTable,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const [rows = []] = await roles.together([look]);
  return new Map((rows as readonly BucketsRow[]).map(({ id, buckets }) => [recordKey(table, id), buckets]));
}
