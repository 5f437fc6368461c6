import { formatMicros, parseTimestamp } from '../../common/timestamp.js';
import type { PushResult, StoredRow } from './push-change.js';

/**
 * The time for a device whose own row differs from the written one (W-PUSH-13): a millisecond less than the row's.
 * The device takes the row over from the next pull, because its `updated_at` is greater; the device's own clock
 * doesn't matter, since it stores the time of the verdict.
 */
export function repairTime(row: StoredRow): Pick<PushResult, 'server_updated_at'> {
  const stored = row.updatedAt === null ? null : parseTimestamp(row.updatedAt);
  return stored ? { server_updated_at: formatMicros(stored.micros - 1000n) } : {};
}
