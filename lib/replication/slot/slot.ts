import type { Client, ClientBase, QueryResult } from 'pg';
import { errorCode } from '../../database/database-error.js';
import { SynchroError } from '../../common/errors.js';
import { quoteIdentifier } from '../../common/identifiers.js';
import { formatLsn, parseLsn, type Lsn } from '../../common/lsn.js';
import type { WalPosition } from '../../store/changelog/wal-position.js';
import { connectConsumer, type ConsumerConfig } from './consumer-connection.js';
import { checkSlotOwner, SLOT_OWNER_COLUMNS, type SlotOwner } from './slot-owner.js';
import { namingBlocker, type SlotBlocker } from './slot-wait.js';

/** A cluster's identity and history. */
export interface SystemIdentity {
  readonly systemId: string;
  readonly timeline: number;
}

/** A replication slot as the server describes it. */
export interface SlotState {
  readonly active: boolean;
  /** Why it can no longer be read from; null when it can. */
  readonly lost: string | null;
  readonly confirmedFlush: Lsn;
}

/** How long making a slot may wait for running transactions before it is tried again. */
const CREATE_LOCK_TIMEOUT = '30s';

/** @throws SynchroError `slot_taken` when a slot of that name serves something else */
export async function inspectSlot(client: ClientBase, name: string): Promise<SlotState | null> {
  // to_jsonb: invalidation_reason exists from PostgreSQL 17 on only.
  const { rows } = await client.query<SlotRow>(
    `SELECT ${SLOT_OWNER_COLUMNS}, active, wal_status, restart_lsn::text,
            confirmed_flush_lsn::text, to_jsonb(s) ->> 'invalidation_reason' AS invalidation
       FROM pg_replication_slots s WHERE slot_name = $1`,
    [name],
  );
  const [row] = rows;
  if (!row) return null;
  checkSlotOwner(name, row);
  const lost =
    row.invalidation ??
    (row.wal_status === 'lost' || row.restart_lsn === null || row.confirmed_flush_lsn === null
      ? 'its WAL was removed'
      : null);
  return { active: row.active, lost, confirmedFlush: parseLsn(row.confirmed_flush_lsn ?? '0/0') };
}

/** The {@link discontinuity} of an app that never ran before. */
export const FIRST_START = 'this is the first start';

/**
 * Why the stored position and the slot don't belong together; null when reading may go on from the position.
 */
export function discontinuity(
  slotName: string,
  position: WalPosition | null,
  slot: SlotState | null,
  system: SystemIdentity,
): string | null {
  if (!position) return FIRST_START;
  if (position.slotName !== slotName) return `the slot was called ${position.slotName} before`;
  if (!slot) return 'the slot is gone';
  if (slot.lost !== null) return `the slot was invalidated: ${slot.lost}`;
  if (position.systemId === null)
    return "the publication was recreated, or the position is the reference server's";
  if (position.systemId !== system.systemId) return 'the database system is another one';
  if (position.timeline !== system.timeline) return 'the server was promoted (its timeline changed)';
  if (!isAhead(slot, position)) return null;
  const [at, stored] = [formatLsn(slot.confirmedFlush), formatLsn(position.confirmedLsn)];
  return `the slot is at ${at}, ahead of the stored position ${stored}`;
}

/** The position is stored before it is acknowledged: this one is of an older copy of the tables, or of another slot. */
export function isAhead(slot: SlotState, position: WalPosition): boolean {
  return slot.confirmedFlush > position.confirmedLsn;
}

/** A new slot, and the snapshot of the database at the point where it begins. */
export interface NewSlot {
  readonly consistentPoint: Lsn;
  /** For `SET TRANSACTION SNAPSHOT`, while {@link close} has not been called. */
  readonly snapshotName: string;
  close(): Promise<void>;
}

/**
 * Makes a slot. The connection stays open and idle: the exported snapshot ends with it.
 * @param observer an ordinary connection that is idle meanwhile
 * @param onWait gets the transaction that it waits for
 * @throws SynchroError `temporarily_unavailable` with that transaction, when it has not ended in time
 */
export async function createSlot(
  connection: ConsumerConfig,
  name: string,
  observer: ClientBase,
  onWait: (blocker: SlotBlocker) => void,
): Promise<NewSlot> {
  let blocker: SlotBlocker | null = null;
  const recordBlocker = (found: SlotBlocker): void => {
    blocker = found;
    onWait(found);
  };
  const client = await connectReplication(connection);
  try {
    await client.query(`SET lock_timeout = '${CREATE_LOCK_TIMEOUT}'`);
    const { rows: versions } = await client.query<{ server_version_num: string }>('SHOW server_version_num');
    const version = Number(versions[0]?.server_version_num ?? 0);
    // From 17 on a slot can follow a failover to a standby that synchronizes slots.
    const options = version >= 170_000 ? `(SNAPSHOT 'export', FAILOVER true)` : 'EXPORT_SNAPSHOT';
    const sql = `CREATE_REPLICATION_SLOT ${quoteIdentifier(name)} LOGICAL pgoutput ${options}`;
    const create = (): Promise<QueryResult<NewSlotRow>> => client.query<NewSlotRow>(sql);
    const { rows } = await namingBlocker(observer, processId(client), create, recordBlocker);
    const [row] = rows;
    if (!row) throw new SynchroError('slot_lost', `the server did not say where slot ${name} begins`);
    return {
      consistentPoint: parseLsn(row.consistent_point),
      snapshotName: row.snapshot_name,
      close: () => client.end(),
    };
  } catch (error) {
    await client.end();
    if (errorCode(error) === '55P03') throw waitedTooLong(name, blocker, error);
    throw error;
  }
}

function waitedTooLong(name: string, blocker: SlotBlocker | null, cause: unknown): SynchroError {
  const { description = 'a transaction that was open before', fix } = blocker ?? {};
  const message = `slot ${name} was not made within ${CREATE_LOCK_TIMEOUT}: it waits for ${description}`;
  return new SynchroError('temporarily_unavailable', message, fix, { cause });
}

/** Of the backend. pg has it from the handshake on; its types don't. */
function processId(client: Client): number | null {
  return (client as Client & { readonly processID: number | null }).processID;
}

interface NewSlotRow {
  readonly consistent_point: string;
  readonly snapshot_name: string;
}

export async function dropSlot(client: ClientBase, name: string): Promise<void> {
  await client.query('SELECT pg_drop_replication_slot($1)', [name]);
}

/** The server's identity. Only a replication connection lets every role that may replicate read it. */
export async function identifySystem(connection: ConsumerConfig): Promise<SystemIdentity> {
  const client = await connectReplication(connection);
  try {
    const { rows } = await client.query<{ systemid: string; timeline: string | number }>('IDENTIFY_SYSTEM');
    return { systemId: rows[0]?.systemid ?? '', timeline: Number(rows[0]?.timeline ?? 0) };
  } finally {
    await client.end();
  }
}

async function connectReplication(connection: ConsumerConfig): Promise<Client> {
  const config: ConsumerConfig & { replication: string } = { ...connection, replication: 'database' };
  return connectConsumer(config);
}

interface SlotRow extends SlotOwner {
  active: boolean;
  wal_status: string | null;
  restart_lsn: string | null;
  confirmed_flush_lsn: string | null;
  invalidation: string | null;
}
