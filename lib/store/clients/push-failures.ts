import { createHash } from 'node:crypto';
import type { EntityManager } from 'typeorm';
import type { SqlRunner } from '../../database/session.js';

/** A pushed change that failed alone, though nothing says for sure that it always will. */
export interface PushFailure extends PushFailureKey {
  readonly table: string;
  readonly recordId: string;
  readonly operation: string;
  /** The parts of it that may be logged. */
  readonly error: string;
}

export interface PushFailureKey {
  /** Digest of the record and of what is to become of it. */
  readonly changeKey: string;
}

/** Most failures that are kept of one user; the oldest go first. */
const MAX_PUSH_FAILURES = 10_000;

/** Most bytes of refused changes that are kept of one user. */
const MAX_REFUSED_BYTES = 16 * 1024 * 1024;

/** Digests have a length that fits into an index, whatever is pushed. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** A boolean SQL expression: has anything of this user's failed lately? `user` is a {@link digest} */
export function hasPushFailuresSql(user: string): string {
  return `EXISTS (SELECT FROM :sync.sync_push_failures WHERE user_key = ${user})`;
}

/** Counts one more failure of each change. @returns by change, how often it has failed by now */
export async function countPushFailures(
  sql: SqlRunner,
  { userId, clientId }: { readonly userId: string; readonly clientId: string },
  failures: readonly PushFailure[],
): Promise<ReadonlyMap<string, number>> {
  const userKey = digest(userId);
  const rows: { change_key: string; attempts: number }[] = await sql.query(
    `INSERT INTO :sync.sync_push_failures AS f
       (user_key, change_key, user_id, client_id, table_name, record_id, operation, error)
     SELECT DISTINCT ON (c) $1, c, left($2, ${TEXT}), left($3, ${TEXT}), left(t, ${TEXT}), left(r, ${TEXT}), left(o, 20), left(e, 2000)
       FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) AS u(c, t, r, o, e) ORDER BY c
     ON CONFLICT (user_key, change_key) DO UPDATE
        SET attempts = f.attempts + 1, client_id = excluded.client_id, error = excluded.error, updated_at = now()
     RETURNING change_key, attempts`,
    [
      userKey,
      storable(userId),
      storable(clientId),
      failures.map(({ changeKey }) => changeKey),
      failures.map(({ table }) => storable(table)),
      failures.map(({ recordId }) => storable(recordId)),
      failures.map(({ operation }) => storable(operation)),
      failures.map(({ error }) => storable(error)),
    ],
  );
  await sql.query(
    `DELETE FROM :sync.sync_push_failures WHERE user_key = $1 AND change_key IN (
       SELECT change_key FROM :sync.sync_push_failures WHERE user_key = $1
        ORDER BY updated_at DESC, change_key OFFSET ${MAX_PUSH_FAILURES})`,
    [userKey],
  );
  return new Map(rows.map(({ change_key: key, attempts }) => [key, attempts]));
}

/** Keeps what a device typed, for an operator, once its change is refused for good: the device drops it. */
export async function keepRefusedChanges(
  sql: SqlRunner,
  userId: string,
  changes: readonly (PushFailureKey & { readonly data: string })[],
): Promise<void> {
  await sql.query(
    `UPDATE :sync.sync_push_failures f SET refused_at = now(), change = CASE WHEN (
        SELECT coalesce(sum(octet_length(k.change)), 0) FROM :sync.sync_push_failures k WHERE k.user_key = $1
      ) + (SELECT sum(octet_length(d)) FROM unnest($3::text[]) AS s(d)) <= ${MAX_REFUSED_BYTES} THEN u.d END
       FROM unnest($2::text[], $3::text[]) AS u(c, d)
      WHERE f.user_key = $1 AND f.change_key = u.c`,
    [digest(userId), changes.map(({ changeKey }) => changeKey), changes.map(({ data }) => storable(data))],
  );
}

/** Forgets the failures of changes that have come through. */
export async function forgetPushFailures(
  sql: SqlRunner,
  userId: string,
  changeKeys: readonly string[],
): Promise<void> {
  await sql.query(`DELETE FROM :sync.sync_push_failures WHERE user_key = $1 AND change_key = ANY ($2)`, [
    digest(userId),
    changeKeys,
  ]);
}

/** Deletes a batch of failures that have not recurred for long. @returns their number */
export async function removeOldPushFailures(
  manager: EntityManager,
  milliseconds: number,
  batchSize: number,
): Promise<number> {
  const [, count]: [unknown[], number] = await manager.query(
    `DELETE FROM :sync.sync_push_failures WHERE (user_key, change_key) IN (
       SELECT user_key, change_key FROM :sync.sync_push_failures
        WHERE updated_at < now() - $1 * interval '1 millisecond' LIMIT $2)`,
    [milliseconds, batchSize],
  );
  return count;
}

/** Characters of a name or an id that are kept. */
const TEXT = 1000;

/** PostgreSQL's text has no NUL. */
function storable(text: string): string {
  return text.replaceAll('\0', '\ufffd');
}
