import type { PushResult } from '../wire/messages.js';
import type { TableSchema } from './columns.js';
import { seenRow } from './edit.js';
import { newRow } from './local-values.js';
import type { Entry, Refused, Row } from './record.js';
import { sameValue, without } from './same.js';
import { canonicalTime, compareTimes } from './times.js';
import { readRow } from './wire-values.js';

/** The outcome of a write. */
export interface Verdict {
  /**
   * `applied`: the server has it. `conflict`: the server's version stays. `rejected`: the server refused it.
   * `discarded`: it was taken back here before the server heard of it. `undecided`: the
   * client was closed before, or the tab was frozen when it came; what the server has is in the row.
   */
  readonly status: 'applied' | 'conflict' | 'rejected' | 'discarded' | 'undecided';
  readonly reason?: string;
  readonly message?: string;
}

/** A record after a verdict. */
export interface Judged {
  readonly verdict: Verdict;
  readonly row: Row | null;
  /** Pending edits that were made since the push. */
  readonly entry: Entry | null;
  readonly refused: Refused | null;
}

/**
 * Applies the server's verdict on `sent` to the record's current entry. An edit that the user has made since is a newer
 * generation: the verdict leaves it pending.
 * @returns undefined when the edit has to be sent again
 */
export function judge(table: TableSchema, now: Entry, sent: Entry, result: PushResult): Judged | undefined {
  if (result.status === 'rejected_retryable') return undefined;
  const theirs = serverVersion(table, result);
  if (isApplied(sent, result, theirs)) {
    return withoutSent(
      table,
      now,
      sent,
      appliedVersion(table, now, sent, result, theirs),
      verdictOf('applied', result),
    );
  }
  const isConflict = result.status === 'conflict';
  const verdict = verdictOf(isConflict ? 'conflict' : 'rejected', result);
  const server = newerOf(table, now.server, theirs);
  const refused = refusal(sent, verdict, isConflict ? (theirs ?? null) : null);
  if (now.generation === sent.generation || isConflict) {
    return { ...withoutSent(table, now, sent, server, verdict), refused };
  }
  // The user has edited the record since: the newer edit gets a verdict of its own.
  const entry = withServer(now, server);
  return { verdict, entry, row: seenRow(table, entry), refused: null };
}

/** Takes a delete of a row that is gone, and a create whose first answer was lost, for applied. */
function isApplied(
  sent: Entry,
  { status, reason_code: reason }: PushResult,
  theirs: Row | null | undefined,
): boolean {
  if (status === 'applied') return true;
  if (sent.operation === 'delete') return reason === 'record_not_found';
  return reason === 'record_exists' && !!theirs && Object.keys(without(sent.patch, theirs)).length === 0;
}

/** The record without `sent`: newer edits, as far as they differ from it, lie on top of `server`. */
function withoutSent(
  table: TableSchema,
  now: Entry,
  sent: Entry,
  server: Row | null | undefined,
  verdict: Verdict,
): Judged {
  const refused = null;
  const left = now.generation === sent.generation ? null : newerEdit(table, now, sent, server ?? null);
  if (!left) return { verdict, entry: null, row: server ?? null, refused };
  const entry = withServer(left, server);
  return { verdict, entry, row: seenRow(table, entry), refused };
}

function newerEdit(table: TableSchema, now: Entry, sent: Entry, server: Row | null): Entry | null {
  if (now.operation === 'delete') return server ? { ...now, base: server } : null;
  const patch = Object.fromEntries(
    Object.entries(now.patch).filter(([name, value]) => !sameValue(value, sent.patch[name])),
  );
  if (server && Object.keys(patch).length === 0) return null;
  if (server) return { ...now, operation: 'update', patch, base: server };
  // The server has deleted the record: the edit makes it again.
  const {
    [table.updatedAt]: _updated,
    [table.deletedAt]: _deleted,
    ...whole
  } = { ...now.base, ...now.patch };
  return { ...now, operation: 'create', patch: whole, base: null };
}

function appliedVersion(
  table: TableSchema,
  now: Entry,
  sent: Entry,
  result: PushResult,
  theirs: Row | null | undefined,
): Row | null | undefined {
  if (sent.operation === 'delete') return null;
  // A pull has brought this version, or a later one, before the verdict.
  if (now.server && compareTimes(now.server[table.updatedAt], result.server_updated_at) >= 0)
    return now.server;
  if (now.server === null) return null;
  if (theirs) return newerOf(table, now.server, theirs);
  // The push wrote nothing: all columns are the server's.
  if (typeof result.server_updated_at !== 'string')
    return now.server ?? newRow(table, sent.id, sent.patch, sent.at);
  const hasZone = table.columns.get(table.updatedAt)?.kind !== 'local-time';
  return {
    ...(now.server ?? newRow(table, sent.id, sent.patch, sent.at)),
    ...sent.patch,
    [table.updatedAt]: canonicalTime(result.server_updated_at, hasZone),
  };
}

/** undefined where the answer has none, null where it says that the row is deleted. */
function serverVersion(table: TableSchema, { server_version: record }: PushResult): Row | null | undefined {
  if (!record) return undefined;
  return typeof record.deleted_at === 'string' ? null : readRow(table, record.data);
}

/** The newer version of two: a pull may be later than the verdict. */
function newerOf(
  table: TableSchema,
  pulled: Row | null | undefined,
  answered: Row | null | undefined,
): Row | null | undefined {
  if (answered === undefined) return pulled;
  if (!pulled || !answered) return answered;
  return compareTimes(pulled[table.updatedAt], answered[table.updatedAt]) > 0 ? pulled : answered;
}

function withServer(entry: Entry, server: Row | null | undefined): Entry {
  const { server: _old, ...rest } = entry;
  return server === undefined ? rest : { ...rest, server };
}

function verdictOf(status: Verdict['status'], { reason_code: reason, message }: PushResult): Verdict {
  return { status, ...(reason !== undefined && { reason }), ...(message !== undefined && { message }) };
}

/** Of the edit that was refused. */
export function generationOf({ key }: Refused): number {
  return Number(key.split('#').at(-1));
}

/** An edit that goes into `sync.rejected`. */
export function refusal(entry: Entry, verdict: Verdict, theirs: Row | null, under?: string): Refused {
  const { table, id, operation, patch, base, at } = entry;
  return {
    key: `${table}/${id}#${entry.generation}`,
    table,
    id,
    operation,
    patch,
    base,
    theirs,
    at,
    status: verdict.status === 'conflict' ? 'conflict' : 'rejected',
    reason: verdict.reason ?? '',
    message: verdict.message ?? '',
    ...(under !== undefined && { under }),
  };
}
