import { instant } from '../support/instant.js';
import type { PushChange, PushResult } from '../support/wire.js';
import type { Evidence } from './evidence.js';
import type { Facts, Version } from './history.js';
import type { Exchange } from './exchange.js';
import { parentOf, tableOf, type TableName } from './world/tables.js';

/** What a device pushed and was refused: whether something in the history is a reason for it. */
export function hasCause(
  evidence: Evidence,
  exchange: Exchange,
  change: PushChange,
  { reason_code: reason, status }: PushResult,
): boolean {
  const mayRaise = evidence.mayRaise(exchange, change);
  // Nothing of the world's passes by itself, but for what fails the whole request, and what a trigger may be taken for.
  if (status === 'rejected_retryable') return reason === 'internal_error' && mayRaise;
  const table = change.table_name as TableName;
  const user = exchange.phone.userId;
  const met = evidence.met(table, change.id, exchange);
  const isOwned = evidence.ownedThroughout(user, table, change.id, exchange);
  switch (reason) {
    case 'record_not_found':
      return change.operation !== 'create' && !isOwned;
    case 'ownership_violation':
      return met.length > 0 ? !isOwned : isUnderAnothers(evidence, exchange, change);
    case 'parent_missing':
      return isParentMissing(evidence, exchange, change, isOwned);
    case 'reference_missing':
      return isParentMissing(evidence, exchange, change, isOwned) || namesLostRow(evidence, exchange, change);
    case 'record_exists':
      return change.operation === 'create' && met.some((version) => wins(version, change, exchange.sent));
    case 'server_won_conflict':
      return met.some((version) => wins(version, change, exchange.sent));
    case 'record_deleted':
      return change.operation === 'update' && met.some(({ row }) => row['deleted_at'] !== null);
    case 'bucket_not_readable':
      return change.operation !== 'delete' && isOutOfReach(evidence, exchange, change);
    case 'create_failed':
    case 'update_failed':
    case 'resurrection_failed':
      return mayRaise || evidence.isRefused(exchange, change);
    case 'invalid_data':
      return mayRaise || isTooLong(table, change);
    case 'delete_failed':
    case 'internal_error':
      return mayRaise;
    default:
      return false;
  }
}

/** Last write wins, by a clock that is cut to the server's when the push begins, and who has changed the present version wins against it. */
function wins(
  { row }: Version,
  { client_updated_at: made, base_updated_at: base }: PushChange,
  sent: number,
): boolean {
  const latest = BigInt(Math.trunc(sent));
  const client = instant(made) ?? 0n;
  return timeOf(row) >= (client < latest ? client : latest) && (base == null || !isVersion(row, base));
}

/** A base of milliseconds is compared by milliseconds. */
function isVersion(row: Facts, base: string): boolean {
  const [server, given] = [timeOf(row), instant(base) ?? 0n];
  const digits = /\.(\d+)/.exec(base)?.[1]?.length ?? 0;
  const unit = 10n ** BigInt(Math.max(0, 6 - digits));
  return server / unit === given / unit;
}

function timeOf(row: Facts): bigint {
  return instant(row['updated_at']) ?? 0n;
}

function isParentMissing(
  evidence: Evidence,
  exchange: Exchange,
  change: PushChange,
  isOwned: boolean,
): boolean {
  return change.operation === 'create' && !isOwned && !isParentThere(evidence, exchange, change);
}

function isParentThere(
  evidence: Evidence,
  exchange: Exchange,
  { table_name: table, data }: PushChange,
): boolean {
  const parent = parentOf(table, data ?? {});
  if (!parent) return true;
  return evidence.ownedThroughout(exchange.phone.userId, parent.table, parent.id, exchange);
}

/** In the odd world a card names another one, which is set to null when that goes: a device may still have it. */
function namesLostRow(
  evidence: Evidence,
  exchange: Exchange,
  { table_name: table, data }: PushChange,
): boolean {
  const named = data?.['related_id'];
  if (typeof named !== 'string') return false;
  const versions = evidence.history.of(table as TableName, named);
  return !evidence.throughout(versions, exchange.sent, exchange.received);
}

/** No bucket may be so long: the host writes such rows, and a device may send one back. */
function isTooLong(table: TableName, { data }: PushChange): boolean {
  const { team } = tableOf(table);
  const value = team === undefined ? undefined : data?.[team];
  return typeof value === 'string' && value.length > LONGEST_TEAM;
}

/** Bytes of a bucket, without the prefix `team:`. */
const LONGEST_TEAM = 1_275;

function isUnderAnothers(
  evidence: Evidence,
  exchange: Exchange,
  { table_name: table, data }: PushChange,
): boolean {
  const parent = parentOf(table, data ?? {});
  if (!parent) return false;
  const isOwned = evidence.ownedThroughout(exchange.phone.userId, parent.table, parent.id, exchange);
  return evidence.met(parent.table, parent.id, exchange).length > 0 && !isOwned;
}

/** Whether it would have put a row where its user does not read, at some moment of the push: a row stays where it is. */
function isOutOfReach(evidence: Evidence, exchange: Exchange, change: PushChange): boolean {
  const table = change.table_name as TableName;
  const { team, parent } = tableOf(table);
  const { operation } = change;
  const data = change.data ?? {};
  const met = evidence.met(table, change.id, exchange).map(({ row }) => row);
  const isIn = met.length > 0 && met.every(({ deleted_at: deleted }) => deleted === null);
  if (team) {
    const stays = operation === 'update' && isIn && met.every((row) => row[team] === data[team]);
    return !stays && !evidence.isMember(exchange, data[team]);
  }
  if (!parent || (operation === 'update' && isIn)) return false;
  return [data, ...met].some((row) =>
    evidence
      .met(parent.table as TableName, String(row[parent.fk]), exchange)
      .some(({ row: { team: above } }) => above !== undefined && !evidence.isMember(exchange, above)),
  );
}
