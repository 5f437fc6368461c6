import type { EntityManager } from 'typeorm';
import { parseTimestamp } from '../../common/timestamp.js';
import { StatementBatch } from '../../database/pipeline.js';
import { prepared } from '../../database/statement.js';
import { timestampEnvelopeSql } from '../../schema/row-json.js';
import { hasParkedRowsSql, parkedRowsLock } from '../../store/clients/parked-rows.js';
import { digest, hasPushFailuresSql } from '../../store/clients/push-failures.js';
import type { ParkingState } from './parking/parking.js';

/** The state that a push reads with its first statements. */
export interface OpenedPush extends ParkingState {
  /** The connection's own role, as `current_setting('role')` returns it. */
  readonly ownRole: string;
  /** The database's time, in microseconds. */
  readonly now: bigint;
  /** Something of the user's has failed lately. */
  readonly hasFailed: boolean;
}

/**
 * The first statements of a push. They read the database's clock, since it stamps the rows that clients' times are
 * compared with; and the parked rows, by a read that begins when their lock is taken. The host's rows are read next,
 * so the transaction switches to the role for that on the way.
 *
 * @param locked the user's lock on parked rows is taken first
 */
export function pushOpening(
  manager: EntityManager,
  userId: string,
  { locked, pushRole }: { readonly locked: boolean; readonly pushRole: string | undefined },
): StatementBatch<OpenedPush> {
  const sql = `WITH s AS MATERIALIZED (SELECT current_setting('role') AS own)
       SELECT s.own, ${timestampEnvelopeSql('clock_timestamp()')} AS now, ${hasParkedRowsSql('$1')} AS used,
              ${hasPushFailuresSql('$2')} AS failed
         ${pushRole === undefined ? '' : `, set_config('role', $3, true)`} FROM s`;
  const parameters = [userId, digest(userId), ...(pushRole === undefined ? [] : [pushRole])];
  return StatementBatch.together<{ lock: void; state: OpenedPush }>({
    lock: StatementBatch.silent(locked ? [prepared(manager, parkedRowsLock(userId))] : []),
    state: StatementBatch.single(prepared(manager, { sql, parameters }), ([row]) => {
      const { own, now, used, failed } = row as OpeningRow;
      return {
        ownRole: own,
        now: parseTimestamp(now)?.micros ?? 0n,
        used,
        hasFailed: failed,
        locked,
      };
    }),
  }).map(({ state }) => state);
}

interface OpeningRow {
  readonly own: string;
  readonly now: string;
  readonly used: boolean;
  readonly failed: boolean;
}
