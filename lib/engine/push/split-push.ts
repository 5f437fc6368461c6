import { HttpException } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { describeError } from '../../common/describe-error.js';
import type { SyncLogger } from '../../common/sync-logger.js';
import { ChangeTries, MAX_TRIES } from './change-tries.js';
import type { PushChange, PushContext, PushResult } from './push-change.js';
import { numberToken } from './numbers.js';
import { echoOf, retryable } from './verdicts.js';

/** A push that has failed as a whole so often is tried in parts, so that what makes it fail is found. */
const SPLIT_AFTER = 3;

/** Most transactions of one push that may fail, and how long they may take once one change has failed alone. */
const MOST_FAILURES = 100;
const MOST_MILLISECONDS = 10_000;

/** What a part of a push comes to. */
export interface PushPart {
  readonly results: readonly PushResult[];
}

/** How the transactions of a push are run. */
export interface PushTransactions<Part extends PushPart> {
  /**
   * Applies some of the changes in a transaction of their own.
   * @param begun to be called once the push has begun: what fails before is none of its changes' fault
   */
  apply(changes: readonly PushChange[], begun: () => void): Promise<Part>;
  /** Refuses changes for good, in a transaction of their own. */
  refuse(changes: readonly PushChange[], error: unknown): Promise<Part>;
}

/**
 * Pushes whose transaction fails as a whole: a hook throws, a policy fails in reading, a constraint at COMMIT, a
 * connection is lost. The device sends the push again; from the third time on it is halved until the change stands alone
 * that makes it fail, and that one is refused after as many tries as any other (see `change-tries.ts`).
 */
export class SplitPush<Part extends PushPart> {
  private readonly tries: ChangeTries;
  private counts: ReadonlyMap<PushChange, number> = new Map();
  private failed = 0;
  private foundAt: number | undefined;

  constructor(
    dataSource: DataSource,
    private readonly caller: Pick<PushContext, 'userId' | 'clientId'>,
    private readonly transactions: PushTransactions<Part>,
    private readonly logger: SyncLogger,
  ) {
    this.tries = new ChangeTries(dataSource.manager, caller, logger);
  }

  /**
   * @returns what each part came to, in the order of the changes
   * @throws what the transaction threw, as long as the push is to be tried as a whole
   */
  async apply(changes: readonly PushChange[]): Promise<readonly (Part | PushPart)[]> {
    const answer = await this.attempt(changes);
    if (!('error' in answer)) return [answer.part];
    if (!(await this.mayBeSplit(changes, answer.error))) throw answer.error;
    return this.split(changes, answer.error);
  }

  /** Counts the failure, on a connection of its own: that this can be written tells that the server is well. */
  private async mayBeSplit(changes: readonly PushChange[], error: unknown): Promise<boolean> {
    const { userId, clientId } = this.caller;
    const fields = { userId, clientId, changes: changes.length, error: describeError(error) };
    this.logger.error('a push failed as a whole', fields);
    try {
      this.counts = await this.tries.count(changes.map((change) => ({ change, error })));
    } catch (second) {
      this.logger.error('the failure of a push could not be counted', { error: describeError(second) });
      return false;
    }
    return [...this.counts.values()].some((tries) => tries >= SPLIT_AFTER);
  }

  private async split(changes: readonly PushChange[], error: unknown): Promise<readonly (Part | PushPart)[]> {
    const [change] = changes;
    if (change === undefined) throw error;
    if (changes.length === 1) {
      this.foundAt ??= performance.now();
      const isRefused = (this.counts.get(change) ?? 0) >= MAX_TRIES;
      return [isRefused ? await this.transactions.refuse(changes, error) : sentAgain(changes)];
    }
    const middle = Math.ceil(changes.length / 2);
    return [...(await this.part(changes.slice(0, middle))), ...(await this.part(changes.slice(middle)))];
  }

  private async part(changes: readonly PushChange[]): Promise<readonly (Part | PushPart)[]> {
    if (this.isSpent) return [sentAgain(changes)];
    const answer = await this.attempt(changes);
    return 'error' in answer ? this.split(changes, answer.error) : [answer.part];
  }

  private get isSpent(): boolean {
    if (this.foundAt === undefined) return false;
    return this.failed >= MOST_FAILURES || performance.now() - this.foundAt > MOST_MILLISECONDS;
  }

  /** @throws what is no fault of a change's */
  private async attempt(
    changes: readonly PushChange[],
  ): Promise<{ readonly part: Part } | { readonly error: unknown }> {
    let hasBegun = false;
    try {
      const part = await this.transactions.apply(changes, () => {
        hasBegun = true;
      });
      return { part };
    } catch (error) {
      if (!hasBegun || asksToWait(error)) throw error;
      this.failed += 1;
      return { error };
    }
  }
}

/** A hook's own word that the device is to come back later. */
function asksToWait(error: unknown): boolean {
  return error instanceof HttpException && (error.getStatus() === 429 || error.getStatus() === 503);
}

function sentAgain(changes: readonly PushChange[]): PushPart {
  const results = changes.map((change) =>
    retryable(echoOf(change, numberToken(change.id)), 'internal_error', 'internal error'),
  );
  return { results };
}
