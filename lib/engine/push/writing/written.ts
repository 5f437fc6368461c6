import type { PushResult } from '../push-change.js';
import { repairTime } from '../repair-time.js';
import { applied } from '../verdicts.js';
import { serverTimes, acceptedUnchanged } from './judge.js';
import type { Written } from './group-writer.js';

/** Whether the row was the user's, or to become it, and is not. A row that a policy lets others write never was. */
export function isGivenAway({ write: { granted }, row }: Written): boolean {
  return !row.owned && (granted === null || granted.byDefault || granted.owner !== null);
}

/** The verdict on a change that is written. */
export function writtenVerdict(outcome: Written): PushResult {
  const { row } = outcome;
  const { item, kind } = outcome.write;
  // Without times, so that the device takes any version that comes next.
  if (isGivenAway(outcome)) return applied(item.ref);
  if (kind === 'delete') {
    // A trigger has kept the row.
    if (row.deletedAt === null) return applied(item.ref, repairTime(row));
    return applied(item.ref, { ...serverTimes(row), server_deleted_at: row.deletedAt });
  }
  const taken = acceptedUnchanged(item, row);
  // A trigger has deleted it. Of a row that is new no pull says so: it never was there for the log.
  return row.deletedAt === null ? taken : { ...taken, server_deleted_at: row.deletedAt };
}
