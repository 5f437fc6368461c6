import type { DataSource, EntityManager } from 'typeorm';
import type { HookRunner } from '../../hooks/hook-runner.js';
import type { Statement } from '../../database/pipeline.js';
import { noteOlderSchema, notePull, type SyncClient } from '../../store/clients/sync-clients.js';
import { noteSubscriptions } from '../request/note-subscriptions.js';
import { difference } from './bucket-difference.js';
import { askForPassedOver } from '../rows/passed-over.js';
import type { PullPage, SnapshotReason } from './puller.js';
import type { LogState, SyncContext } from '../request/sync-context.js';
import type { PullRequest, PullResult } from '../request/sync-requests.js';
import { NO_RECORDS } from '../rows/wire-records.js';

/** A pull as it was answered, and what it was answered from. */
export interface Pulled {
  readonly result: PullResult;
  readonly client: SyncClient;
  readonly log: LogState;
  readonly isOlderSchema: boolean;
}

/**
 * @param buckets what the user may read now
 * @param page or why the device has to take a snapshot first
 */
export function toPulled(
  request: PullRequest,
  buckets: readonly string[],
  {
    contract,
    isOlderSchema,
    client,
    log,
  }: SyncContext & { readonly client: SyncClient; readonly log: LogState },
  page: PullPage | SnapshotReason,
): Pulled {
  const result: PullResult =
    typeof page === 'string'
      ? {
          changes: NO_RECORDS,
          deletes: [],
          checkpoint: request.checkpoint,
          hasMore: false,
          passedOver: [],
          contract,
          snapshotReason: page,
          bucketUpdates: null,
        }
      : {
          ...page,
          contract,
          snapshotReason: null,
          bucketUpdates: difference(request.knownBuckets ?? [], buckets),
        };
  return { result, client, log, isOlderSchema };
}

/**
 * The statements that note what a pull says of its device, to be run behind the transaction that has read for it. None
 * of it depends on what was read.
 */
export function pullNotes(
  manager: EntityManager,
  request: PullRequest,
  buckets: readonly string[],
  { client, log, isOlderSchema }: Pick<Pulled, 'client' | 'log' | 'isOlderSchema'>,
): readonly Statement[] {
  const acknowledged = request.tables === null ? request.checkpoint : null;
  const pull = notePull(manager, client, acknowledged, log.lastSeq);
  return [
    ...(isOlderSchema ? [noteOlderSchema(client)] : []),
    // First, as this pull has given nothing of what it notes to be gone.
    ...noteSubscriptions(client, buckets, acknowledged ?? client.acknowledged ?? 0n),
    ...(pull ? [pull] : []),
  ];
}

/** Leaves to the consumer what a pull has passed over, and tells the hooks. */
export async function afterPull(
  dataSource: DataSource,
  hooks: HookRunner,
  request: PullRequest,
  { result, client, log }: Pulled,
): Promise<void> {
  const { snapshotReason: reason, checkpoint, changes, passedOver } = result;
  const { userId, clientId } = request;
  if (reason !== null) {
    if (reason !== 'initial_sync_required') await tellSnapshotRequired(hooks, request, log, reason);
    return;
  }
  await askForPassedOver(dataSource, client, passedOver);
  await hooks.inform('onPullComplete', {
    userId,
    clientId,
    checkpoint: checkpoint.toString(),
    count: changes.count,
  });
}

async function tellSnapshotRequired(
  hooks: HookRunner,
  { userId, clientId, checkpoint }: PullRequest,
  { floorSeq, epochSeq }: LogState,
  reason: Exclude<SnapshotReason, 'initial_sync_required'>,
): Promise<void> {
  const minSeq = floorSeq > epochSeq ? floorSeq : epochSeq;
  await hooks.inform('onSnapshotRequired', {
    userId,
    clientId,
    checkpoint: checkpoint.toString(),
    minSeq: minSeq.toString(),
    reason,
  });
}
