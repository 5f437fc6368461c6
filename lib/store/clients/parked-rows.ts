import { OPEN_FAILURE } from '../changelog/open-failure.js';
import type { SqlStatement } from '../../database/pipeline.js';
import type { SqlRunner } from '../../database/session.js';

/** A create that waits until a push of the same user brings its parent (interleavings 20). */
export interface ParkedRow extends ParkedKey {
  readonly parentTable: string;
  readonly parentId: string;
  /** The record's data as JSON text; numbers keep their digits. */
  readonly change: string;
  /** RFC 3339. */
  readonly clientUpdatedAt: string;
  readonly base: string | null;
}

/** Identifies a parked row among those of its user. */
export interface ParkedKey {
  readonly table: string;
  readonly recordId: string;
}

/** Why a parked row could not be written although its parent is there, for an operator. */
export interface ParkedFailure extends ParkedKey {
  readonly error: string;
}

/**
 * Makes pushes of a user that park rows, or may release some, wait for each other until they commit. Otherwise one
 * parks a child because it doesn't see the parent, the other one inserts the parent and doesn't see the parked child,
 * both commit, and the child is stuck. So every read and write of `sync_parked_rows`, and the read of the parent
 * before, come after this lock.
 */
export async function lockParkedRows(sql: SqlRunner, userId: string): Promise<void> {
  const lock = parkedRowsLock(userId);
  await sql.query(lock.sql, lock.parameters);
}

/** The statement of {@link lockParkedRows}, to be sent with others. */
export function parkedRowsLock(userId: string): SqlStatement & { readonly parameters: unknown[] } {
  // Two users with the same hash only wait for each other.
  return { sql: 'SELECT pg_advisory_xact_lock($1, hashtext($2))', parameters: [PARKING_LOCK, userId] };
}

/**
 * The same for a push that holds row locks already, for which another push with this lock may be waiting.
 * @returns whether there was no need to wait; without, nothing is locked
 */
export async function tryLockParkedRows(sql: SqlRunner, userId: string): Promise<boolean> {
  const rows: { locked: boolean }[] = await sql.query(
    'SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AS locked',
    [PARKING_LOCK, userId],
  );
  return rows[0]?.locked === true;
}

const PARKING_LOCK = 91_110_046;

/** A boolean SQL expression: has this user any parked rows? */
export function hasParkedRowsSql(user: string): string {
  return `EXISTS (SELECT FROM :sync.sync_parked_rows WHERE user_id = ${user})`;
}

/** Those of the records that are parked. */
export async function parkedRecords(
  sql: SqlRunner,
  userId: string,
  keys: readonly ParkedKey[],
): Promise<readonly ParkedRow[]> {
  return sql.query(
    `${SELECT} JOIN unnest($2::text[], $3::text[]) AS k(t, r) ON p.table_name = k.t AND p.record_id = k.r
      WHERE p.user_id = $1 FOR UPDATE OF p`,
    [userId, ...columns(keys)],
  );
}

/** One parked row with the device that pushed it. */
export async function findParkedRow(
  sql: SqlRunner,
  userId: string,
  { table, recordId }: ParkedKey,
): Promise<(ParkedRow & { readonly clientId: string }) | undefined> {
  const rows: (ParkedRow & { clientId: string })[] = await sql.query(
    `${SELECT} WHERE p.user_id = $1 AND p.table_name = $2 AND p.record_id = $3`,
    [userId, table, recordId],
  );
  return rows[0];
}

/**
 * Discards a parked row. Its data stay, as the payload of a resolved failure.
 * @returns false when there is none
 */
export async function discardParkedRow(
  sql: SqlRunner,
  userId: string,
  { table, recordId }: ParkedKey,
): Promise<boolean> {
  const rows: unknown[] = await sql.query(
    `WITH gone AS (
       DELETE FROM :sync.sync_parked_rows WHERE user_id = $1 AND table_name = $2 AND record_id = $3 RETURNING *),
     closed AS (
       UPDATE :sync.sync_rule_failures f SET resolved_at = now() FROM gone
        WHERE f.table_name = gone.table_name COLLATE "default" AND f.record_id = gone.record_id COLLATE "default"
          AND f.resolved_at IS NULL AND f.retry_at = 'infinity')
     INSERT INTO :sync.sync_rule_failures (table_name, record_id, operation, error_text, payload, retry_at, resolved_at)
     SELECT table_name, record_id, ${INSERT}, 'the parked create was discarded by hand',
            jsonb_build_object('user_id', user_id, 'client_id', client_id, 'parent_table', parent_table,
              'parent_id', parent_id, 'change', change, 'client_updated_at', client_updated_at, 'parked_at', created_at),
            'infinity', now()
       FROM gone RETURNING id`,
    [userId, table, recordId],
  );
  return rows.length > 0;
}

/** The rows that are parked under these parents, in the order in which they came. */
export async function parkedUnder(
  sql: SqlRunner,
  userId: string,
  parents: readonly ParkedKey[],
): Promise<readonly ParkedRow[]> {
  return sql.query(
    `${SELECT} JOIN unnest($2::text[], $3::text[]) AS k(t, r) ON p.parent_table = k.t AND p.parent_id = k.r
      WHERE p.user_id = $1 ORDER BY p.created_at, p.table_name, p.record_id FOR UPDATE OF p`,
    [userId, ...columns(parents)],
  );
}

/** How much a user has parked; bytes of JSON text. */
export async function parkedSize(
  sql: SqlRunner,
  userId: string,
): Promise<{ readonly rows: number; readonly bytes: number }> {
  const rows: { rows: number; bytes: number }[] = await sql.query(
    `SELECT count(*)::integer AS rows, coalesce(sum(octet_length(change)), 0)::float8 AS bytes
       FROM :sync.sync_parked_rows WHERE user_id = $1`,
    [userId],
  );
  return rows[0] ?? { rows: 0, bytes: 0 };
}

/** Parks rows. Of what is parked already, the later version stays, and the time since when. */
export async function saveParkedRows(
  sql: SqlRunner,
  { userId, clientId }: { readonly userId: string; readonly clientId: string },
  rows: readonly ParkedRow[],
): Promise<void> {
  if (rows.length === 0) return;
  await sql.query(
    `INSERT INTO :sync.sync_parked_rows AS p
       (user_id, client_id, table_name, record_id, parent_table, parent_id, change, client_updated_at, base)
     SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::text[])
     ON CONFLICT (user_id, table_name, record_id) DO UPDATE
       SET client_id = excluded.client_id, parent_table = excluded.parent_table, parent_id = excluded.parent_id,
           change = excluded.change, client_updated_at = excluded.client_updated_at, base = excluded.base
       WHERE excluded.client_updated_at >= p.client_updated_at`,
    [
      userId,
      clientId,
      ...columns(rows),
      rows.map(({ parentTable }) => parentTable),
      rows.map(({ parentId }) => parentId),
      rows.map(({ change }) => change),
      rows.map(({ clientUpdatedAt }) => clientUpdatedAt),
      rows.map(({ base }) => base),
    ],
  );
}

/** Forgets parked rows, and closes what was recorded of them. */
export async function deleteParkedRows(
  sql: SqlRunner,
  userId: string,
  keys: readonly ParkedKey[],
): Promise<void> {
  if (keys.length === 0) return;
  await sql.query(
    `WITH gone AS (
       DELETE FROM :sync.sync_parked_rows p USING unnest($2::text[], $3::text[]) AS k(t, r)
        WHERE p.user_id = $1 AND p.table_name = k.t AND p.record_id = k.r RETURNING k.t, k.r)
     UPDATE :sync.sync_rule_failures f SET resolved_at = now() FROM gone
      WHERE f.table_name = gone.t AND f.record_id = gone.r AND f.resolved_at IS NULL AND f.retry_at = 'infinity'`,
    [userId, ...columns(keys)],
  );
}

/**
 * Records failures that nothing but an operator, or a later change of the device's, can fix. Where a row of that key is
 * there, and its bucket rule has failed, that failure stays: it is retried until the row is seen.
 */
export async function recordParkedFailures(
  sql: SqlRunner,
  failures: readonly ParkedFailure[],
): Promise<void> {
  if (failures.length === 0) return;
  await sql.query(
    `INSERT INTO :sync.sync_rule_failures AS f (table_name, record_id, operation, error_text, retry_at)
     SELECT t, r, ${INSERT}, e, 'infinity' FROM unnest($1::text[], $2::text[], $3::text[]) AS k(t, r, e)
     ON CONFLICT ${OPEN_FAILURE} DO UPDATE
       SET attempts = f.attempts + 1, error_text = excluded.error_text, operation = excluded.operation
       WHERE f.retry_at = 'infinity'`,
    [...columns(failures), failures.map(({ error }) => error)],
  );
}

/**
 * Records a failure for each row that has been parked for too long. The row stays: its parent may come yet.
 * @returns how many were recorded; those that have an open failure already are not counted again
 */
export async function recordLongParked(sql: SqlRunner, milliseconds: number): Promise<number> {
  const rows: unknown[] = await sql.query(
    `INSERT INTO :sync.sync_rule_failures (table_name, record_id, operation, error_text, retry_at)
     SELECT DISTINCT ON (p.table_name, p.record_id) p.table_name, p.record_id, ${INSERT},
            format('a create of user %s has waited in sync_parked_rows since %s for its parent %s/%s', p.user_id,
                   p.created_at, p.parent_table, p.parent_id), 'infinity'
       FROM :sync.sync_parked_rows p
      WHERE p.created_at < now() - $1 * interval '1 millisecond' AND NOT EXISTS (
        SELECT FROM :sync.sync_rule_failures f
         WHERE f.table_name = p.table_name COLLATE "default" AND f.record_id = p.record_id COLLATE "default"
           AND f.resolved_at IS NULL)
      ORDER BY p.table_name, p.record_id, p.created_at
     ON CONFLICT ${OPEN_FAILURE} DO NOTHING RETURNING id`,
    [milliseconds],
  );
  return rows.length;
}

/** As in `sync_changelog.operation`. */
const INSERT = 1;

const SELECT = `SELECT p.table_name AS "table", p.record_id AS "recordId", p.parent_table AS "parentTable",
    p.parent_id AS "parentId", p.change, p.base,
    to_char(p.client_updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "clientUpdatedAt",
    p.client_id AS "clientId"
  FROM :sync.sync_parked_rows p`;

function columns(keys: readonly ParkedKey[]): [string[], string[]] {
  return [keys.map(({ table }) => table), keys.map(({ recordId }) => recordId)];
}
