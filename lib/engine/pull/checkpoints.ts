import type { SyncClient } from '../../store/clients/sync-clients.js';
import type { LogState } from '../request/log-state.js';

/** Why a device has to take a snapshot before it can pull. */
export type SnapshotReason = 'initial_sync_required' | 'checkpoint_before_retention' | 'history_unavailable';

/**
 * Why this client can't go on from this checkpoint; null when it can (rules 6 to 8 of
 * docs/internals/architecture.md). One below zero means from the beginning (docs/protocol.md#pull).
 */
export function snapshotReason(client: SyncClient, log: LogState, checkpoint: bigint): SnapshotReason | null {
  if (!client.hasSnapshot) {
    return checkpoint <= 0n && !client.hasPulled ? 'initial_sync_required' : 'history_unavailable';
  }
  const from = checkpoint < 0n ? 0n : checkpoint;
  if (from > log.lastSeq || from < log.epochSeq) return 'history_unavailable';
  return from < log.floorSeq ? 'checkpoint_before_retention' : null;
}

/**
 * A caught-up client gets the high-water mark, so that a quiet one never holds compaction back; with a `tables`
 * filter it would skip what was filtered out (interleavings 23).
 */
export function nextCheckpoint(
  query: { readonly checkpoint: bigint; readonly tables: readonly string[] | null },
  log: LogState,
  page: { readonly lastSeq: bigint | null; readonly hasMore: boolean },
): bigint {
  if (!page.hasMore && query.tables === null) return log.lastSeq;
  return page.lastSeq ?? query.checkpoint;
}
