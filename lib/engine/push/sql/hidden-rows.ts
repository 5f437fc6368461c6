import { groupBy } from '../../../common/collections.js';
import { quoteIdentifier } from '../../../common/identifiers.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import { namedBucketsSql } from '../../../store/host-rows/named-buckets-sql.js';
import type { SqlRunner } from '../../../database/session.js';
import type { PushContext, PushItem, PushResult } from '../push-change.js';
import { idAmongSql, recordKey } from '../values/record-id.js';

/**
 * The records that verdicts put on their device, or leave there, though its user doesn't read the rows where they
 * are: a user who has left a team makes or edits a row of theirs again that the device had to delete. No row has moved, so
 * the log has no entry.
 */
export async function hiddenRows(
  sql: SqlRunner,
  registry: SyncRegistry,
  { buckets, subscriptions }: Pick<PushContext, 'buckets' | 'subscriptions'>,
  items: readonly PushItem[],
  verdicts: ReadonlyMap<number, PushResult>,
): Promise<readonly PushItem[]> {
  const shown = items.filter((item) => isShown(item, verdicts.get(item.index)));
  const hidden: PushItem[] = [];
  for (const [{ table, primaryKey }, group] of groupBy(shown, (item) => item.table)) {
    const named = namedBucketsSql(registry, table, 't');
    if (named === null) continue;
    const key = `t.${quoteIdentifier(primaryKey.name)}`;
    const rows = (await sql.query(
      `SELECT r.id FROM (SELECT ${key}::text AS id, ${named} AS buckets FROM ${table.sql} AS t
         WHERE ${idAmongSql(primaryKey, key, '$1')}) AS r
        WHERE r.buckets <> '{}' AND NOT r.buckets && $2::text[]`,
      [group.map(({ id }) => id), [...(subscriptions ?? buckets)]],
    )) as readonly { readonly id: string }[];
    const keys = new Set(rows.map(({ id }) => recordKey(group[0].table, id)));
    hidden.push(...group.filter((item) => keys.has(item.key)));
  }
  return hidden;
}

/** A device takes the server's version for its own, and keeps the rows that it made or edited. */
function isShown({ operation }: PushItem, verdict: PushResult | undefined): boolean {
  return verdict?.server_version !== undefined || (verdict?.accepted === true && operation !== 'delete');
}
