import type { EntityManager } from 'typeorm';
import { WORK_CHANNEL } from '../../common/work-channel.js';

/** Which part of a list. */
export interface ListPage {
  /** Default: 100. */
  readonly limit?: number;
  /** Default: 0. */
  readonly offset?: number;
}

export interface RuleFailureFilter {
  readonly table?: string;
  readonly recordIds?: readonly string[];
}

/** A row whose buckets could not be resolved, or a parked row that could not be written. */
export interface RuleFailure {
  /** 64-bit. */
  readonly id: string;
  readonly table: string;
  readonly recordId: string;
  readonly operation: 'create' | 'update' | 'delete';
  readonly error: string;
  readonly attempts: number;
  readonly failedAt: Date;
  /** null: never by itself (a parked row), or it is resolved. */
  readonly nextRetry: Date | null;
  /** null: still open. */
  readonly resolvedAt: Date | null;
}

/** A row that is in no bucket of its parent's yet, since the parent has none. */
export interface WaitingRow {
  readonly table: string;
  readonly recordId: string;
  readonly parentTable: string;
  readonly parentId: string;
  readonly since: Date;
}

/** A create of a device's that is kept until its parent comes. */
export interface ParkedRow {
  readonly userId: string;
  /** The device's own id. */
  readonly clientId: string;
  readonly table: string;
  readonly recordId: string;
  readonly parentTable: string;
  readonly parentId: string;
  /** The record as JSON text, numbers as they were sent. */
  readonly data: string;
  readonly since: Date;
}

/** A pushed change that failed whenever it was tried, so that its device had to drop it. */
export interface RefusedChange {
  readonly userId: string;
  /** The device's own id. */
  readonly clientId: string;
  readonly table: string;
  readonly recordId: string;
  readonly operation: string;
  readonly error: string;
  /** The change's data, as JSON text; null where the user has more refused changes than are kept. */
  readonly data: string | null;
  readonly refusedAt: Date;
}

/** Newest first. */
export async function listRuleFailures(
  manager: EntityManager,
  state: 'open' | 'resolved' | 'all',
  { table, recordIds }: RuleFailureFilter,
  page: ListPage,
): Promise<readonly RuleFailure[]> {
  return manager.query(
    `SELECT id::text AS id, table_name AS "table", record_id AS "recordId", error_text AS error, attempts,
            (ARRAY['create', 'update', 'delete'])[operation] AS operation, created_at AS "failedAt",
            CASE WHEN resolved_at IS NULL AND isfinite(retry_at) THEN retry_at END AS "nextRetry",
            resolved_at AS "resolvedAt"
       FROM :sync.sync_rule_failures
      WHERE ($1 = 'all' OR (resolved_at IS NULL) = ($1 = 'open'))
        AND ($2::text IS NULL OR table_name = $2) AND ($3::text[] IS NULL OR record_id = ANY($3))
      ORDER BY sync_rule_failures.id DESC LIMIT $4 OFFSET $5`,
    [state, table ?? null, recordIds ?? null, ...window(page)],
  );
}

/** Makes open failures due now, and wakes the consumer. @returns their number */
export async function hastenRuleFailures(
  manager: EntityManager,
  { table, recordIds }: RuleFailureFilter,
): Promise<number> {
  const [row]: { count: number }[] = await manager.query(
    `WITH due AS (
       UPDATE :sync.sync_rule_failures SET retry_at = now()
        WHERE resolved_at IS NULL AND isfinite(retry_at)
          AND ($1::text IS NULL OR table_name = $1) AND ($2::text[] IS NULL OR record_id = ANY($2))
       RETURNING id)
     SELECT count(*)::int AS count, pg_notify($3, '') FROM due`,
    [table ?? null, recordIds ?? null, WORK_CHANNEL],
  );
  return row?.count ?? 0;
}

/** Those that have waited longest first. */
export async function listWaitingRows(
  manager: EntityManager,
  { table }: { readonly table?: string },
  page: ListPage,
): Promise<readonly WaitingRow[]> {
  return manager.query(
    `SELECT table_name AS "table", record_id AS "recordId", parent_table AS "parentTable",
            parent_id AS "parentId", created_at AS since
       FROM :sync.sync_waiting_rows WHERE $1::text IS NULL OR table_name = $1
      ORDER BY created_at, table_name, record_id LIMIT $2 OFFSET $3`,
    [table ?? null, ...window(page)],
  );
}

/** Those that have waited longest first. */
export async function listParkedRows(
  manager: EntityManager,
  { userId, table }: { readonly userId?: string; readonly table?: string },
  page: ListPage,
): Promise<readonly ParkedRow[]> {
  return manager.query(
    `SELECT user_id AS "userId", client_id AS "clientId", table_name AS "table", record_id AS "recordId",
            parent_table AS "parentTable", parent_id AS "parentId", change AS data, created_at AS since
       FROM :sync.sync_parked_rows
      WHERE ($1::text IS NULL OR user_id = $1) AND ($2::text IS NULL OR table_name = $2)
      ORDER BY created_at, table_name, record_id LIMIT $3 OFFSET $4`,
    [userId ?? null, table ?? null, ...window(page)],
  );
}

/** Newest first. */
export async function listRefusedChanges(
  manager: EntityManager,
  { userId, table }: { readonly userId?: string; readonly table?: string },
  page: ListPage,
): Promise<readonly RefusedChange[]> {
  return manager.query(
    `SELECT user_id AS "userId", client_id AS "clientId", table_name AS "table", record_id AS "recordId", operation,
            error, change AS data, refused_at AS "refusedAt"
       FROM :sync.sync_push_failures
      WHERE refused_at IS NOT NULL AND ($1::text IS NULL OR user_id = $1) AND ($2::text IS NULL OR table_name = $2)
      ORDER BY refused_at DESC, change_key LIMIT $3 OFFSET $4`,
    [userId ?? null, table ?? null, ...window(page)],
  );
}

function window({ limit = 100, offset = 0 }: ListPage): readonly [number, number] {
  return [limit, offset];
}
