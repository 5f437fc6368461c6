import type { EntityManager } from 'typeorm';
import type { Lsn } from '../../common/lsn.js';
import type { Rows, SqlStatement } from '../../database/pipeline.js';
import { PreparedStatement } from '../../database/statement.js';
import type { SyncClient } from './sync-clients.js';

/**
 * The statement that records where in the WAL a device's push lies, for {@link unloggedPush}, and answers it: behind
 * its commit, which it neither waits for nor slows down.
 * @param isShared some of it is in a table whose rows may leave their owner's sight
 */
export function recordPushPosition(
  manager: EntityManager,
  client: SyncClient,
  isShared: boolean,
): SqlStatement {
  return PUSH_POSITION.bind(manager, [client.id, isShared]);
}

/** The position is read first: reading the table may write WAL, which the log would have to pass, too. */
const PUSH_POSITION = new PreparedStatement(
  `UPDATE :sync.sync_clients
      SET pushed_lsn = here.lsn - '0/0', shared_lsn = CASE WHEN $2 THEN here.lsn - '0/0' ELSE shared_lsn END
     FROM (SELECT pg_current_wal_insert_lsn() AS lsn, $1::uuid AS client,
                  set_config('synchronous_commit', 'off', true) OFFSET 0) AS here
    WHERE id = here.client RETURNING pushed_lsn::text AS lsn`,
);

/** Where that is, by the rows of the statement; null: the device is no longer registered. */
export function pushPositionOf(rows: Rows = []): Lsn | null {
  const [row] = rows as readonly { readonly lsn: string }[];
  return row === undefined ? null : BigInt(row.lsn);
}

/** How far the log has to come until it has all that a user's devices have pushed; null: it has it. */
export async function unloggedPush(manager: EntityManager, userId: string): Promise<Lsn | null> {
  const [row] = await UNLOGGED_PUSH.run(manager, [userId]);
  return row?.lsn == null ? null : BigInt(row.lsn);
}

const UNLOGGED_PUSH = new PreparedStatement<{ readonly lsn: string | null }>(
  `SELECT max(c.pushed_lsn)::text AS lsn FROM :sync.sync_clients c
     JOIN :sync.sync_wal_position p ON c.pushed_lsn > p.confirmed_lsn WHERE c.user_id = $1`,
);
