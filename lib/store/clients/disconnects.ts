import type { EntityManager } from 'typeorm';
import { PreparedStatement } from '../../database/statement.js';

/** Whose live connections end. */
export interface Disconnect {
  readonly id: bigint;
  readonly userId: string;
  /** null: all of the user's. */
  readonly clientId: string | null;
}

/** Of this application: any other number would do. */
const LOCK = 91_110_048;

/**
 * Has every instance end a user's live connections, or those of one device, within the caller's transaction. One after
 * the other, so that who has seen one has seen those before it.
 */
export async function addDisconnect(
  manager: EntityManager,
  userId: string,
  clientId: string | null,
): Promise<void> {
  await manager.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
  await manager.query(`DELETE FROM :sync.sync_disconnects WHERE created_at < now() - interval '1 day'`);
  await manager.query('INSERT INTO :sync.sync_disconnects (user_id, client_id) VALUES ($1, $2)', [
    userId,
    clientId,
  ]);
}

/** Those after one, in their order. */
export async function readDisconnects(manager: EntityManager, after: bigint): Promise<readonly Disconnect[]> {
  const rows = await DISCONNECTS.run(manager, [after.toString()]);
  return rows.map(({ id, user_id: userId, client_id: clientId }) => ({ id: BigInt(id), userId, clientId }));
}

const DISCONNECTS = new PreparedStatement<{
  readonly id: string;
  readonly user_id: string;
  readonly client_id: string | null;
}>('SELECT id::text, user_id, client_id FROM :sync.sync_disconnects WHERE id > $1::bigint ORDER BY id');
