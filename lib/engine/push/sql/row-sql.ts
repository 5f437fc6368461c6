import { quoteIdentifier } from '../../../common/identifiers.js';
import type { SyncRegistry } from '../../../registry/sync-registry.js';
import { rowColumnsSql, timestampEnvelopeSql } from '../../../schema/row-json.js';
import type { ContractTable } from '../../../schema/schema-contract.js';
import { inDefaultBucketsSql } from '../../../store/host-rows/default-bucket-sql.js';
import { ownedSql, ownerSql, owningParent } from '../../../store/host-rows/ownership-sql.js';
import { canAskForHidden } from '../../../store/host-rows/row-exists.js';
import type { SqlStatement } from '../../../database/pipeline.js';
import type { SqlRunner } from '../../../database/session.js';
import type { PushContext } from '../push-change.js';
import { idAmongSql, sameIdSql } from '../values/record-id.js';

/** From the weakest: what a parent's row needs, a row that is updated, and one that is removed. */
export const LOCK_MODES = ['SHARE', 'NO KEY UPDATE', 'UPDATE'] as const;
export type LockMode = (typeof LOCK_MODES)[number];

export interface LockedRow {
  readonly id: string;
  /** The parent's key where the parent decides the ownership of the row. */
  readonly parent: string | null;
}

/**
 * Locks the rows that the user owns, in the order of their keys, and returns {@link LockedRow}s. Where a policy
 * decides the writers, it locks the rows that the user sees.
 */
export function lockSql(
  registry: SyncRegistry,
  context: PushContext,
  contract: ContractTable,
  ids: readonly string[],
  mode: LockMode,
): SqlStatement {
  const { table } = contract;
  const fk = owningParent(registry, table) ? table.parentFkColumn : null;
  const owned = ownedSql(registry, table, 't', '$2::text');
  const isBySight = context.authority?.locksBySight(table) === true;
  return {
    sql: `SELECT ${keySql(contract)}::text AS id, ${fk === null ? 'NULL' : `t.${quoteIdentifier(fk)}::text`} AS parent
     FROM ${table.sql} AS t
     WHERE ${idAmongSql(contract.primaryKey, keySql(contract), '$1')} AND ${isBySight ? seenSql(registry, context, contract, owned) : owned}
     ORDER BY ${keySql(contract)} FOR ${mode} OF t`,
    parameters: [ids, context.userId, ...(isBySight ? [table.name, context.buckets] : [])],
  };
}

/**
 * Reads the rows that the user may see, as {@link StoredRow}s: those with an edge, live or dead, in one of the user's
 * buckets, or owned now. A device's own row has no edge until the WAL consumer has seen it (interleavings 10); one
 * that has moved out of the user's sight has its edge until then (9).
 */
export function readSql(
  registry: SyncRegistry,
  context: PushContext,
  contract: ContractTable,
  ids: readonly string[],
): SqlStatement {
  const { table } = contract;
  const owner =
    context.authority?.locksBySight(table) === true ? `, ${ownerSql(registry, table, 't')} AS owner` : '';
  return {
    sql: `SELECT ${storedRowSql(contract)}, o.owned${owner}
     FROM ${table.sql} AS t
     CROSS JOIN LATERAL (SELECT coalesce(${ownedSql(registry, table, 't', '$2::text')}, false) AS owned) AS o
     WHERE ${idAmongSql(contract.primaryKey, keySql(contract), '$1')} AND ${seenSql(registry, context, contract, 'o.owned')}`,
    parameters: [ids, context.userId, table.name, context.buckets],
  };
}

/** A boolean expression of the parameters $3, the table, and $4, the user's buckets. */
function seenSql(
  registry: SyncRegistry,
  { isSeenByDefaultRule }: PushContext,
  contract: ContractTable,
  owned: string,
): string {
  const { table } = contract;
  const rule =
    isSeenByDefaultRule?.(table) === true
      ? `AND ${inDefaultBucketsSql(registry, table, 't', '$4::text[]')}`
      : '';
  return `(${owned} OR EXISTS (
       SELECT FROM :sync.sync_bucket_edges e
       WHERE e.table_name = $3 AND e.record_id = ${keySql(contract)}::text COLLATE "C" AND e.bucket_id = ANY($4::text[])
     ) ${rule})`;
}

/** Those of the rows that are there, and are not the user's. */
export async function foreignRows(
  sql: SqlRunner,
  registry: SyncRegistry,
  userId: string,
  contract: ContractTable,
  ids: readonly string[],
): Promise<readonly { readonly n: number }[]> {
  const { table } = contract;
  if (await canAskForHidden(sql, table)) {
    return sql.query(
      `SELECT (k.n - 1)::integer AS n
       FROM unnest($1::text[]) WITH ORDINALITY AS k(id, n)
       WHERE :sync.sync_row_exists($3, k.id) AND NOT EXISTS (
         SELECT FROM ${table.sql} AS t
         WHERE ${sameIdSql(contract.primaryKey, keySql(contract), 'k.id')} AND ${ownedSql(registry, table, 't', '$2::text')})`,
      [ids, userId, table.name],
    );
  }
  return sql.query(
    `SELECT (k.n - 1)::integer AS n
     FROM unnest($1::text[]) WITH ORDINALITY AS k(id, n)
     JOIN ${table.sql} AS t ON ${sameIdSql(contract.primaryKey, keySql(contract), 'k.id')}
     WHERE ${ownedSql(registry, table, 't', '$2::text')} IS NOT TRUE`,
    [ids, userId],
  );
}

/**
 * The select list of a {@link StoredRow} (all but `owned`) from a row with the alias `t`.
 * @param deletedAt the text of its delete time. Default: that of the row's own
 */
export function storedRowSql(
  contract: ContractTable,
  deletedAt = timeSql(contract.table.deletedAtColumn),
): string {
  return `${keySql(contract)}::text AS id,
    ${timeSql(contract.table.updatedAtColumn)} AS "updatedAt", ${deletedAt} AS "deletedAt",
    (SELECT row_to_json(d.*)::text FROM (SELECT ${rowColumnsSql(contract, 't')}) d) AS data`;
}

function timeSql(column: string | null): string {
  return column === null ? 'NULL::text' : timestampEnvelopeSql(`t.${quoteIdentifier(column)}`);
}

function keySql({ primaryKey }: ContractTable): string {
  return `t.${quoteIdentifier(primaryKey.name)}`;
}
