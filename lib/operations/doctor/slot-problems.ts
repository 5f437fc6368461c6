import type { ClientBase } from 'pg';
import type { SynchroProblem } from '../../common/errors.js';
import { quoteLiteral } from '../../common/identifiers.js';

interface SlotRow {
  readonly plugin: string | null;
  readonly ours: boolean;
  readonly active: boolean;
  readonly lost: boolean;
  readonly retained: string;
}

/** A replication slot that can't be read, that has no reader while its WAL grows, or that finds no free slot. */
export async function slotProblems(
  client: ClientBase,
  name: string,
  maxRetainedWal: number,
): Promise<readonly SynchroProblem[]> {
  const { rows } = await client.query<SlotRow>(
    `SELECT plugin, database = current_database() AS ours, active,
            wal_status = 'lost' OR restart_lsn IS NULL AS lost,
            coalesce(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn), 0) AS retained
       FROM pg_replication_slots WHERE slot_name = $1`,
    [name],
  );
  const [slot] = rows;
  if (!slot) return roomProblems(client, name);
  const drop = `SELECT pg_drop_replication_slot(${quoteLiteral(name)});`;
  // Whose it is, is a problem of the set-up.
  if (slot.plugin !== 'pgoutput' || !slot.ours) return [];
  if (slot.lost) {
    return [
      problem(
        `the WAL that slot ${name} needs was removed: the next start makes a new slot, and every device takes a snapshot`,
        `start an instance of the app, or: ${drop} and raise max_slot_wal_keep_size`,
      ),
    ];
  }
  const retained = BigInt(slot.retained.split('.')[0] ?? '0');
  if (slot.active || retained <= BigInt(maxRetainedWal)) return [];
  return [
    problem(
      `slot ${name} has no reader, and keeps ${retained} bytes of WAL from being removed`,
      `start an instance of the app that consumes, or, if sync is not used any more: ${drop}`,
    ),
  ];
}

async function roomProblems(client: ClientBase, name: string): Promise<readonly SynchroProblem[]> {
  const { rows } = await client.query<{ limit: number }>(
    `SELECT s.setting::integer AS limit FROM pg_settings s
      WHERE s.name = 'max_replication_slots'
        AND (SELECT count(*) FROM pg_replication_slots) >= s.setting::integer`,
  );
  return rows.map(({ limit }) =>
    problem(
      `there is no room for slot ${name}: all ${limit} replication slots are taken`,
      `ALTER SYSTEM SET max_replication_slots = ${limit + 4}; then restart PostgreSQL.`,
    ),
  );
}

function problem(message: string, fix: string): SynchroProblem {
  return { code: 'slot_unhealthy', entity: 'PostgreSQL', option: 'replication slot', message, fix };
}
