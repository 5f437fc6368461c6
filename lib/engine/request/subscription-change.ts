import { WORK_CHANNEL } from '../../common/work-channel.js';
import type { SqlStatement } from '../../database/pipeline.js';
import { changeSubscriptions, type SyncClient } from '../../store/clients/sync-clients.js';
import { difference } from '../pull/bucket-difference.js';

/**
 * The difference between the subscriptions that an answer was cut to and the stored ones. Entries have to follow it.
 * A bucket that waits to come is stored already.
 * @param from the device's checkpoint
 * @returns none where they don't differ
 */
export function queueSubscriptionChange(
  client: SyncClient,
  buckets: readonly string[],
  from: bigint,
): readonly SqlStatement[] {
  if (difference([...client.buckets, ...client.coming], buckets) === null) return [];
  return [changeSubscriptions(client, buckets, from < 0n ? 0n : from, WORK_CHANNEL)];
}
