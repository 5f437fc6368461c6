import { HttpException } from '@nestjs/common';
import { isTransient, isUnstorable } from '../../../database/database-error.js';
import { describeError } from '../../../common/describe-error.js';
import type { SyncLogger } from '../../../common/sync-logger.js';
import type { SqlRunner } from '../../../database/session.js';
import { ChangeTries, MAX_TRIES } from './change-tries.js';
import type { PushChange, PushContext } from '../push-change.js';
import { ParkingBusyError } from '../parking/parking-busy.error.js';
import { ServerStateError } from './server-state.error.js';
import { isLockWait, sqlState } from '../sql/sqlstate.js';

/** A push that has failed as a whole so often is tried in parts, so that what makes it fail is found. */
const SPLIT_AFTER = 3;

/** Most transactions of one push that may fail, and how long they may take once one change has failed alone. */
const MOST_FAILURES = 100;
const MOST_MILLISECONDS = 10_000;

/** The progress of a push: it says what a failure is about. */
export interface PushProgress {
  stage: 'opening' | 'changes' | 'hooks';
}

/** Why changes are not applied. */
export interface GivenUp {
  readonly error: unknown;
  /** They were tried often enough; else the device is to send them again. */
  readonly isFinal: boolean;
}

/** The results of a push's parts. */
type Parts<Part> = readonly [Part, ...Part[]];

/** How the transactions of a push are run. */
export interface PushTransactions<Part> {
  /**
   * Applies some of the changes in a transaction of their own.
   * @param progress to be kept up to date
   */
  apply(changes: readonly PushChange[], progress: PushProgress): Promise<Part>;
  /** Gives changes that failed alone their verdict, in a transaction of their own. */
  giveUp(changes: readonly PushChange[], why: GivenUp): Promise<Part>;
}

/**
 * Pushes whose transaction fails as a whole: a hook throws, a policy fails in reading, a constraint at COMMIT, a
 * connection is lost. The device sends the push again; from the third time on it is halved until the failing change
 * stands alone, and that one is refused after as many tries as any other (see `change-tries.ts`). Where neither a
 * hook nor the server's state can be the reason, it is halved at the first failure.
 */
export class SplitPush<Part> {
  private readonly tries: ChangeTries;
  private counts: ReadonlyMap<PushChange, number> = new Map();
  private failed = 0;
  private foundAt: number | undefined;

  constructor(
    sql: SqlRunner,
    private readonly maxChanges: number,
    private readonly caller: Pick<PushContext, 'userId' | 'clientId'>,
    private readonly transactions: PushTransactions<Part>,
    private readonly logger: SyncLogger,
  ) {
    this.tries = new ChangeTries(sql, caller, logger);
  }

  /**
   * @returns the result of each part, in the order of the changes
   * @throws the transaction's error, as long as the push is to be repeated as a whole
   */
  async apply(changes: readonly PushChange[]): Promise<Parts<Part>> {
    const answer = await this.attempt(changes);
    if (!('error' in answer)) return [answer.part];
    const { error } = answer;
    const [taken, surplus] = [changes.slice(0, this.maxChanges), changes.slice(this.maxChanges)];
    if (!(await this.mayBeSplit(taken, answer))) throw error;
    const [first, ...others] = await this.split(taken, answer);
    if (surplus.length === 0) return [first, ...others];
    return [first, ...others, await this.transactions.giveUp(surplus, { error, isFinal: false })];
  }

  /** Counts the failure, on a connection of its own: a successful write shows that the server is well. */
  private async mayBeSplit(
    changes: readonly PushChange[],
    { error, isOfRecord }: FailedPart,
  ): Promise<boolean> {
    const { userId, clientId } = this.caller;
    const fields = { userId, clientId, changes: changes.length, error: describeError(error) };
    this.logger.error('a push failed as a whole', fields);
    try {
      this.counts = await this.tries.count(changes.map((change) => ({ change, error })));
    } catch (second) {
      this.logger.error('the failure of a push could not be counted', { error: describeError(second) });
      return false;
    }
    return isOfRecord || [...this.counts.values()].some((tries) => tries >= SPLIT_AFTER);
  }

  private async split(changes: readonly PushChange[], failed: FailedPart): Promise<Parts<Part>> {
    const { error } = failed;
    const [change] = changes;
    if (change === undefined) throw error;
    if (changes.length === 1) {
      this.foundAt ??= performance.now();
      const isFinal = !failed.isLockWait && (this.counts.get(change) ?? 0) >= MAX_TRIES;
      return [await this.transactions.giveUp(changes, { error, isFinal })];
    }
    const middle = Math.ceil(changes.length / 2);
    const [first, ...others] = await this.part(changes.slice(0, middle), error);
    return [first, ...others, ...(await this.part(changes.slice(middle), error))];
  }

  private async part(changes: readonly PushChange[], error: unknown): Promise<Parts<Part>> {
    if (this.isSpent) return [await this.transactions.giveUp(changes, { error, isFinal: false })];
    const answer = await this.attempt(changes);
    return 'error' in answer ? this.split(changes, answer) : [answer.part];
  }

  private get isSpent(): boolean {
    if (this.foundAt === undefined) return false;
    return this.failed >= MOST_FAILURES || performance.now() - this.foundAt > MOST_MILLISECONDS;
  }

  /** @throws what is no fault of a change's */
  private async attempt(changes: readonly PushChange[]): Promise<{ readonly part: Part } | FailedPart> {
    const progress: PushProgress = { stage: 'opening' };
    try {
      return { part: await this.transactions.apply(changes, progress) };
    } catch (error) {
      const { stage } = progress;
      if (
        stage === 'opening' ||
        error instanceof ParkingBusyError ||
        error instanceof ServerStateError ||
        isUnstorable(error) ||
        asksToWait(error)
      )
        throw error;
      this.failed += 1;
      const isOfRecord = stage === 'changes' && sqlState(error) !== null && !isTransient(error);
      return { error, isOfRecord, isLockWait: stage === 'changes' && isLockWait(error) };
    }
  }
}

interface FailedPart {
  readonly error: unknown;
  /** Whether the failure is neither a hook's nor the server's. */
  readonly isOfRecord: boolean;
  /** Somebody else holds a lock on a row or a table: the change waits for it, however long. */
  readonly isLockWait: boolean;
}

/** A hook's own word that the device is to come back later. */
function asksToWait(error: unknown): boolean {
  return error instanceof HttpException && (error.getStatus() === 429 || error.getStatus() === 503);
}
