import { describeError } from '../../common/describe-error.js';
import type { Write } from './judge.js';
import type { PushItem, PushResult, StoredRow } from './push-change.js';
import { type SqlFailure, sqlFailure } from './sqlstate.js';
import { reverted } from './verdicts.js';

/** Why a change could not be written. */
export type Failure =
  /** No row of the user's has the key of its parent. */
  | { readonly kind: 'parent_missing' }
  /** An earlier change of the same record could not be written. */
  | { readonly kind: 'blocked' }
  /** A verdict on a change of a parked record: not one to be lost by. */
  | { readonly kind: 'verdict'; readonly verdict: PushResult }
  | { readonly kind: 'sql'; readonly error: unknown; readonly write: Write };

/** The final verdict. The device goes back to the server's version where there is one that the user may see. */
export function failureVerdict(item: PushItem, failure: Failure, row: StoredRow | undefined): PushResult {
  if (failure.kind === 'verdict') return failure.verdict;
  if (failure.kind === 'parent_missing')
    return reverted(item, row, 'parent_missing', 'parent record not found');
  if (failure.kind === 'blocked') return reverted(item, row, ...OPERATION_FAILED[item.operation]);
  const kind = sqlFailure(failure.error);
  if (kind === 'constraint') {
    const operation = failure.write.kind === 'undelete' ? 'undelete' : item.operation;
    return reverted(item, row, ...OPERATION_FAILED[operation]);
  }
  return reverted(item, row, ...REASONS[kind]);
}

/** A policy or a trigger of the host's passed over a row that the user owns (W-PUSH-3). */
export function refused(item: PushItem, row: StoredRow | undefined): PushResult {
  return reverted(item, row, ...REASONS.forbidden);
}

/** For the host's log: clients are not told names of constraints. */
export function describeFailure(item: PushItem, failure: Failure): string {
  const change = `${item.operation} of ${item.table.table.name}/${item.id}`;
  if (failure.kind === 'verdict')
    return `${change}: ${failure.verdict.reason_code ?? failure.verdict.status}`;
  if (failure.kind !== 'sql') return `${change}: ${failure.kind}`;
  return `${change}: ${describeError(failure.error)}`;
}

type Reason = readonly [reason: string, message: string];

const REASONS: Readonly<Record<Exclude<SqlFailure, 'constraint'>, Reason>> = {
  data: ['invalid_data', 'invalid data format'],
  reference: ['reference_missing', 'referenced record not found'],
  forbidden: ['ownership_violation', 'not allowed to write this record'],
  unknown: ['internal_error', 'internal error'],
  transient: ['internal_error', 'internal error'],
};

const OPERATION_FAILED: Readonly<Record<PushItem['operation'] | 'undelete', Reason>> = {
  create: ['create_failed', 'failed to create record'],
  update: ['update_failed', 'failed to update record'],
  delete: ['delete_failed', 'failed to delete record'],
  undelete: ['resurrection_failed', 'failed to restore record'],
};
