import type { EntityManager } from 'typeorm';

/** A registered device, for an operator. Times are RFC 3339 in UTC with microseconds. */
export interface ClientInfo {
  /** Primary key of its row. */
  readonly id: string;
  /** The id that the device gives itself. */
  readonly clientId: string;
  readonly clientName: string | null;
  readonly platform: string;
  readonly appVersion: string;
  /** The last checkpoint that it acknowledged, as text, for it has 64 bits; null before its first snapshot. */
  readonly checkpoint: string | null;
  /** Whether it holds history back. */
  readonly active: boolean;
  readonly createdAt: string;
  readonly lastSyncAt: string | null;
  readonly lastPullAt: string | null;
  readonly lastPushAt: string | null;
}

/** A user's devices, the first one first. Times need a session in UTC, as `inTransaction` gives one. */
export async function listClients(manager: EntityManager, userId: string): Promise<readonly ClientInfo[]> {
  return manager.query(
    `SELECT id, client_id AS "clientId", client_name AS "clientName", platform, app_version AS "appVersion",
            last_pull_seq::text AS checkpoint, is_active AS active, ${rfc3339('created_at')} AS "createdAt",
            ${rfc3339('last_sync_at')} AS "lastSyncAt", ${rfc3339('last_pull_at')} AS "lastPullAt",
            ${rfc3339('last_push_at')} AS "lastPushAt"
       FROM :sync.sync_clients c WHERE user_id = $1 ORDER BY c.created_at, client_id`,
    [userId],
  );
}

/** Forgets a device, with the history that it holds back. @returns whether there was one */
export async function deleteClient(
  manager: EntityManager,
  userId: string,
  clientId: string,
): Promise<boolean> {
  const [, count]: [unknown[], number] = await manager.query(
    'DELETE FROM :sync.sync_clients WHERE user_id = $1 AND client_id = $2',
    [userId, clientId],
  );
  return count > 0;
}

function rfc3339(column: string): string {
  return `to_char(c.${column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}
