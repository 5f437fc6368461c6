import type { Client, ClientBase } from 'pg';
import { errorCode } from '../../database/database-error.js';
import { SynchroError } from '../../common/errors.js';
import { quoteLiteral } from '../../common/identifiers.js';
import { ChangelogTransaction } from '../../store/changelog/changelog-transaction.js';
import {
  readPosition,
  startEpoch,
  voidPosition,
  type WalPosition,
} from '../../store/changelog/wal-position.js';
import type { Caution } from '../caution.js';
import { withConsumer, type ConsumerConfig } from './consumer-connection.js';
import type { MembershipApplier } from '../membership/membership-applier.js';
import {
  createSlot,
  discontinuity,
  dropSlot,
  identifySystem,
  inspectSlot,
  isAhead,
  type SystemIdentity,
} from './slot.js';
import type { SlotBlocker } from './slot-wait.js';
import type { TableRules } from '../tables/table-rules.js';
import type { TableShapes } from '../tables/table-shapes.js';
import { heartbeat } from './heartbeat.js';
import type { UndecodableWal } from './undecodable-wal.js';

/** Key of the advisory lock under which slots are made and dropped, with the slot's name as second half. */
const SETUP_LOCK = 91_110_043;

export interface SlotSetup {
  /** An ordinary connection of the consumer's own. */
  readonly client: ClientBase;
  readonly connection: ConsumerConfig;
  readonly slotName: string;
  /** Milliseconds; also how long making a new slot may take without a sign of life. */
  readonly walSenderTimeout: number;
  readonly applier: MembershipApplier;
  readonly caution: Caution;
  readonly undecodable: UndecodableWal;
  readonly rules: TableRules;
  /** As they were before the slot is made. */
  readonly shapes: TableShapes;
  readonly onRebuild: (reason: string) => void;
  /** Told which transaction keeps a slot from being made. */
  readonly onWait: (blocker: SlotBlocker) => void;
}

/**
 * Makes sure that slot and stored position belong together. Where they don't (first start, slot lost, another
 * server), a new slot is made, every edge is compared with the tables as they were at its consistent point, and
 * an epoch starts: devices take a snapshot, and push what they have first.
 * @throws SynchroError `slot_busy` while another instance holds the slot or is setting it up
 */
export async function prepareSlot(setup: SlotSetup): Promise<WalPosition> {
  const { client, slotName } = setup;
  const lock = await client.query<{ locked: boolean }>(
    'SELECT pg_try_advisory_lock($1, hashtext($2)) AS locked',
    [SETUP_LOCK, slotName],
  );
  if (lock.rows[0]?.locked !== true) throw busy(slotName);
  try {
    const slot = await inspectSlot(client, slotName);
    if (slot?.active === true) throw busy(slotName);
    const system = await identifySystem(setup.connection);
    const position = await readPosition(client);
    const unreadable = position && setup.undecodable.reasonAt(position.confirmedLsn);
    const reason = discontinuity(slotName, position, slot, system) ?? unreadable;
    if (reason === null && position) return position;
    if (reason === unreadable) setup.undecodable.givenUp();
    setup.onRebuild(reason ?? '');
    if (position && position.slotName !== slotName) await dropFormerSlot(client, position.slotName);
    // Once the slot is gone, it no longer shows that the edges are out of date.
    if (position && slot && isAhead(slot, position)) await voidPosition(client);
    if (slot) await dropSlot(client, slotName);
    return await rebuild(setup, system);
  } finally {
    await client
      .query('SELECT pg_advisory_unlock($1, hashtext($2))', [SETUP_LOCK, slotName])
      .catch(() => undefined);
  }
}

async function rebuild(setup: SlotSetup, system: SystemIdentity): Promise<WalPosition> {
  const { connection, slotName, walSenderTimeout, applier, caution, rules, shapes } = setup;
  const slot = await createSlot(connection, slotName, setup.client, setup.onWait);
  let stopHeartbeat: (() => void) | undefined;
  const make = async (client: Client): Promise<WalPosition> => {
    stopHeartbeat = await heartbeat(client, walSenderTimeout);
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE');
    await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(slot.snapshotName)}`);
    const previous = await readPosition(client);
    const start = await startEpoch(
      client,
      { slotName, confirmedLsn: slot.consistentPoint, ...system },
      previous,
    );
    const tx = await ChangelogTransaction.join(client, start);
    if (caution.isDue(start.confirmedLsn)) await tx.beCareful();
    await rules.reresolveAll(tx, applier, shapes);
    // Rows that were there before the slot have no entries: a device at 0 needs a snapshot to get them.
    await tx.query(
      `UPDATE :sync.sync_wal_position SET floor_seq = last_seq WHERE EXISTS (SELECT FROM :sync.sync_bucket_edges WHERE live)`,
    );
    const { position, durable } = tx.commit(slot.consistentPoint);
    await durable;
    return position;
  };
  try {
    return await withConsumer({ ...connection, pipeline: true }, make);
  } finally {
    stopHeartbeat?.();
    await slot.close();
  }
}

/** Drops a slot without a reader: it would retain WAL without end. */
async function dropFormerSlot(client: ClientBase, name: string): Promise<void> {
  const former = await inspectSlot(client, name);
  if (former?.active === true) throw busy(name);
  if (former) await dropSlot(client, name);
}

function busy(slotName: string): SynchroError {
  return new SynchroError('slot_busy', `another instance consumes slot ${slotName}; this one stands by`);
}

/** Another instance holds the slot (SQLSTATE 55006), or is setting it up. */
export function isSlotBusy(error: unknown): boolean {
  return error instanceof SynchroError ? error.code === 'slot_busy' : errorCode(error) === '55006';
}

/**
 * The position once the slot is held: the consumer goes on where another instance stored it meanwhile.
 * @throws SynchroError `position_conflict` when another instance has made a new slot since it was prepared
 */
export async function heldPosition(client: ClientBase, prepared: WalPosition): Promise<WalPosition> {
  const position = await readPosition(client);
  if (position && position.epochSeq === prepared.epochSeq && position.slotName === prepared.slotName)
    return position;
  throw new SynchroError('position_conflict', `another instance has made a new slot ${prepared.slotName}`);
}
