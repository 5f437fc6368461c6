import type { EntityManager } from 'typeorm';
import { completeSnapshot, noteServed, type SyncClient } from '../store/sync-clients.js';
import { notePassedOver } from './passed-over.js';
import type { SnapshotResult } from './sync-requests.js';

/** A page of a snapshot, and what it was read from. */
export interface Snapshotted {
  readonly result: SnapshotResult;
  readonly client: SyncClient;
  /** Where the log stood. */
  readonly served: bigint;
  readonly isOlderSchema: boolean;
}

/** Notes what a page says of its device, and leaves to the consumer what it has passed over. */
export async function afterSnapshot(
  manager: EntityManager,
  { result, client, served, isOlderSchema }: Snapshotted,
): Promise<void> {
  const { next, checkpoint, passedOver } = result;
  await notePassedOver(manager, client, passedOver);
  if (next !== null) await noteServed(manager, client, served);
  else await completeSnapshot(manager, client, checkpoint, served, isOlderSchema);
}
