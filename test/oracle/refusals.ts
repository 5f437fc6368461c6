import { instant } from '../support/instant.js';
import type { PushChange, PushResult } from '../support/wire.js';
import type { Evidence } from './evidence.js';
import type { Facts, Version } from './history.js';
import type { Exchange } from './exchange.js';
import { parentOf, type TableName } from './world/tables.js';

/** What a device pushed and was refused: whether something in the history is a reason for it. */
export function hasCause(
  evidence: Evidence,
  exchange: Exchange,
  change: PushChange,
  { reason_code: reason, status }: PushResult,
): boolean {
  // Nothing of the world's passes by itself, but for what fails the whole request.
  if (status === 'rejected_retryable') return false;
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
    case 'reference_missing':
      return change.operation === 'create' && !isOwned && !isParentThere(evidence, exchange, change);
    case 'record_exists':
      return change.operation === 'create' && met.some((version) => wins(version, change, exchange.sent));
    case 'server_won_conflict':
      return met.some((version) => wins(version, change, exchange.sent));
    case 'record_deleted':
      return change.operation === 'update' && met.some(({ row }) => row['deleted_at'] !== null);
    case 'create_failed':
    case 'update_failed':
    case 'resurrection_failed':
      return evidence.refuses(table, change.data ?? {});
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

function isParentThere(
  evidence: Evidence,
  exchange: Exchange,
  { table_name: table, data }: PushChange,
): boolean {
  const parent = parentOf(table, data ?? {});
  if (!parent) return true;
  return evidence.ownedThroughout(exchange.phone.userId, parent.table, parent.id, exchange);
}

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
