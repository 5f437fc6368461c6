import { describeError } from '../../../common/describe-error.js';
import type { SyncLogger } from '../../../common/sync-logger.js';
import {
  countPushFailures,
  digest,
  forgetPushFailures,
  keepRefusedChanges,
} from '../../../store/clients/push-failures.js';
import type { SqlRunner } from '../../../database/session.js';
import { isJsonObject, jsonText } from '../values/json.js';
import { numberToken } from '../values/numbers.js';
import type { PushChange, PushContext } from '../push-change.js';
import { refOf } from '../verdicts.js';

/** So often a change is tried that fails in a way which may pass; then it is refused for good, and the device goes on. */
export const MAX_TRIES = 5;

/** A change that failed, and by what. */
export interface FailedChange {
  readonly change: PushChange;
  readonly error: unknown;
}

/** The failed changes of a user, remembered across pushes (see `sync_push_failures`). */
export class ChangeTries {
  constructor(
    private readonly sql: SqlRunner,
    private readonly caller: Pick<PushContext, 'userId' | 'clientId'>,
    private readonly logger: SyncLogger,
  ) {}

  /**
   * Counts one more try of each.
   * @returns how often each has been tried by now
   */
  async count(failed: readonly FailedChange[]): Promise<ReadonlyMap<PushChange, number>> {
    if (failed.length === 0) return new Map();
    const keyed = failed.map(({ change, error }) => {
      const { id: recordId, table_name: table, operation } = nameOf(change);
      return { changeKey: keyOf(change), table, recordId, operation, error: describeError(error) };
    });
    const attempts = await countPushFailures(this.sql, this.caller, keyed);
    return new Map(
      failed.map(({ change }, index) => [change, attempts.get(keyed[index]?.changeKey ?? '') ?? 1]),
    );
  }

  /** Says for good that these are not to be written, and keeps what was typed. */
  async refuse(failed: readonly FailedChange[]): Promise<void> {
    if (failed.length === 0) return;
    const { userId, clientId } = this.caller;
    await keepRefusedChanges(
      this.sql,
      userId,
      failed.map(({ change }) => ({ changeKey: keyOf(change), data: dataOf(change) })),
    );
    for (const { change, error } of failed) {
      const { id: recordId, table_name: table, operation } = nameOf(change);
      this.logger.error('a change failed whenever it was tried, and is refused (see sync_push_failures)', {
        userId,
        clientId,
        table,
        recordId: recordId.slice(0, LONGEST_ID),
        operation,
        tries: MAX_TRIES,
        error: describeError(error),
      });
    }
  }

  /** Forgets the failures of changes that have come through. */
  async forget(changes: readonly PushChange[]): Promise<void> {
    if (changes.length === 0) return;
    await forgetPushFailures(this.sql, this.caller.userId, changes.map(keyOf));
  }
}

/** The same text whenever a device sends the change: its times may differ. */
function keyOf(change: PushChange): string {
  const { id, table_name: table, operation } = nameOf(change);
  return digest(JSON.stringify([table, id, operation, dataOf(change)]));
}

function nameOf(change: PushChange): ReturnType<typeof refOf> {
  return refOf(change, numberToken(change.id));
}

function dataOf({ operation, data }: PushChange): string {
  return operation !== 'delete' && isJsonObject(data) ? jsonText(data) : 'null';
}

/** Characters of an id in a log line. */
const LONGEST_ID = 100;
