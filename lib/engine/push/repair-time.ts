import { formatMicros, parseTimestamp } from '../../common/timestamp.js';
import type { PushResult, StoredRow } from './push-change.js';

/**
 * The time to tell a device whose own row differs from what was written (W-PUSH-13): a millisecond less than the
 * row's. The device takes the row over when it comes with the next pull, because its `updated_at` is greater, and
 * whatever the device's own clock says, since it stores the time that it is told.
 */
export function repairTime(row: StoredRow): Pick<PushResult, 'server_updated_at'> {
  const stored = row.updatedAt === null ? null : parseTimestamp(row.updatedAt);
  return stored ? { server_updated_at: formatMicros(stored.micros - 1000n) } : {};
}
