import type { DataSource } from 'typeorm';
import { writeTogether } from '../../database/session.js';
import { completeSnapshot, noteServed, type SyncClient } from '../../store/clients/sync-clients.js';
import { askForPassedOver } from '../rows/passed-over.js';
import type { SnapshotResult } from '../request/sync-requests.js';

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
  dataSource: DataSource,
  { result, client, served, isOlderSchema }: Snapshotted,
): Promise<void> {
  const { next, checkpoint, passedOver } = result;
  await askForPassedOver(dataSource, client, passedOver);
  const note =
    next === null ? completeSnapshot(client, checkpoint, served, isOlderSchema) : noteServed(client, served);
  await writeTogether(dataSource, note ? [note] : []);
}
