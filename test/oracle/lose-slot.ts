import type { TestDatabase } from '../support/database.js';
import { eventually } from '../support/wait.js';

/** A new slot waits for every transaction that is open; the longest of the world's may be idle for 20 seconds. */
const PATIENCE = 45_000;

/** Drops the slot that the app reads; resolves once a new one has started an epoch. */
export async function loseSlot(database: TestDatabase): Promise<void> {
  const before = await eventually(async () => {
    await database.query(
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [database.slotName],
    );
    // Fails while a walsender has not let go of it, or the next one has it already. Another one may have been lost just now.
    const [dropped] = await database.query<{ epoch: string }>(
      'SELECT epoch_seq::text AS epoch, pg_drop_replication_slot($1) FROM sync_wal_position',
      [database.slotName],
    );
    return dropped?.epoch ?? false;
  });
  await eventually(() => hasLogOf(database, before), { timeout: PATIENCE });
}

/** Whether an epoch has begun after another one, with the slot that there is: a new one may have been dropped at once. */
async function hasLogOf(database: TestDatabase, before: string): Promise<boolean> {
  const found = await database.query(
    `SELECT FROM sync_wal_position p JOIN pg_replication_slots s ON s.slot_name = p.slot_name
      WHERE s.active AND s.confirmed_flush_lsn - '0/0' <= p.confirmed_lsn AND p.epoch_seq > $1::bigint`,
    [before],
  );
  return found.length > 0;
}
