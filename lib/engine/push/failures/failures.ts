import { describeError } from '../../../common/describe-error.js';
import type { Write } from '../writing/judge.js';
import { KeyReplacedError } from '../writing/key-replaced.error.js';
import { isRemoval, type PushItem, type PushResult, type StoredRow } from '../push-change.js';
import { type SqlFailure, sqlFailure } from '../sql/sqlstate.js';
import { invalidData, reverted } from '../verdicts.js';

/** Why a change could not be written. */
export type Failure =
  /** No row of the user's has the key of its parent. */
  | { readonly kind: 'parent_missing'; readonly write: Write }
  /** An earlier change of the same record could not be written. */
  | { readonly kind: 'blocked' }
  /** A verdict on a change of a parked record: not one to be lost by. */
  | { readonly kind: 'verdict'; readonly verdict: PushResult }
  | { readonly kind: 'sql'; readonly error: unknown; readonly write: Write }
  /** A value that its column can't hold. */
  | { readonly kind: 'value'; readonly column: string }
  /** Code of the host's failed when it was asked about the change. */
  | { readonly kind: 'host'; readonly error: unknown }
  /** Too much else has failed. */
  | { readonly kind: 'postponed' };

/** Whether another try, now that all else is written, may do better. */
export function mayPass(failure: Failure): boolean {
  if (failure.kind === 'sql')
    return sqlFailure(failure.error) !== 'data' && !(failure.error instanceof KeyReplacedError);
  return !['value', 'host', 'postponed'].includes(failure.kind);
}

/** The error of a change that may succeed another time; null for any other failure. */
export function doubt(failure: Failure): { readonly error: unknown } | null {
  if (failure.kind === 'host') return failure;
  return failure.kind === 'sql' && sqlFailure(failure.error) === 'doubtful' ? failure : null;
}

/**
 * The final verdict. The device goes back to the server's version where there is one that the user may see.
 * @param column that refuses its value, where it is known
 */
export function failureVerdict(
  item: PushItem,
  failure: Failure,
  row: StoredRow | undefined,
  column: string | null,
): PushResult {
  if (failure.kind === 'verdict') return failure.verdict;
  if (failure.kind === 'parent_missing')
    return reverted(item, row, 'parent_missing', 'parent record not found');
  if (failure.kind === 'value') return reverted(item, row, ...invalidData(failure.column));
  if (failure.kind === 'host') return reverted(item, row, ...REASONS.doubtful);
  if (failure.kind !== 'sql') return reverted(item, row, ...OPERATION_FAILED[item.operation]);
  const kind = sqlFailure(failure.error);
  if (kind === 'reference' && isRemoval(item)) return reverted(item, row, ...STILL_NEEDED);
  if (kind === 'constraint') {
    const operation = failure.write.kind === 'undelete' ? 'undelete' : item.operation;
    const [reason, message] = OPERATION_FAILED[operation];
    const why =
      failure.error instanceof KeyReplacedError
        ? ': a trigger gives it another id'
        : column === null
          ? ''
          : `: column "${column}" must have a value`;
    return reverted(item, row, reason, `${message}${why}`);
  }
  if (kind === 'data') return reverted(item, row, ...invalidData(column));
  return reverted(item, row, ...REASONS[kind]);
}

/**
 * A statement passed the record over, which was the user's to write (W-PUSH-3).
 * @param isForbidden whether it is a matter of rights; else it was a trigger or a rule
 */
export function notWritten(
  { item, kind }: Write,
  row: StoredRow | undefined,
  isForbidden: boolean,
): PushResult {
  if (isForbidden) return reverted(item, row, ...REASONS.forbidden);
  const [reason, message] = OPERATION_FAILED[kind === 'undelete' ? kind : item.operation];
  return reverted(item, row, reason, `${message}: a trigger or a rule of the database passes it over`);
}

/** For the host's log: clients never get names of constraints. */
export function describeFailure(item: PushItem, failure: Failure): string {
  const change = `${item.operation} of ${item.table.table.name}/${item.id}`;
  if (failure.kind === 'verdict')
    return `${change}: ${failure.verdict.reason_code ?? failure.verdict.status}`;
  if (failure.kind === 'value') return `${change}: the value of ${failure.column}`;
  if (!('error' in failure)) return `${change}: ${failure.kind}`;
  return `${change}: ${describeError(failure.error)}`;
}

type Reason = readonly [reason: string, message: string];

const STILL_NEEDED: Reason = ['delete_failed', 'other records still refer to this one'];

const REASONS: Readonly<Record<Exclude<SqlFailure, 'constraint' | 'data'>, Reason>> = {
  reference: ['reference_missing', 'referenced record not found'],
  forbidden: ['ownership_violation', 'not allowed to write this record'],
  doubtful: ['internal_error', 'internal error'],
};

const OPERATION_FAILED: Readonly<Record<PushItem['operation'] | 'undelete', Reason>> = {
  create: ['create_failed', 'failed to create record'],
  update: ['update_failed', 'failed to update record'],
  delete: ['delete_failed', 'failed to delete record'],
  undelete: ['resurrection_failed', 'failed to restore record'],
};
