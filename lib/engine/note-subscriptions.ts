import type { EntityManager } from 'typeorm';
import { WORK_CHANNEL } from '../common/work-channel.js';
import { enqueueSubscriptionChange, type SyncClient } from '../store/sync-clients.js';
import { difference } from './pull/bucket-difference.js';

/**
 * What was read was cut to the current subscriptions: a difference from the stored ones has entries to follow. A bucket
 * that waits to come is asked for already.
 * @param from the device's checkpoint
 */
export async function noteSubscriptions(
  manager: EntityManager,
  client: SyncClient,
  buckets: readonly string[],
  from: bigint,
): Promise<void> {
  if (difference([...client.buckets, ...client.coming], buckets) === null) return;
  await enqueueSubscriptionChange(manager, client, buckets, from < 0n ? 0n : from, WORK_CHANNEL);
}
