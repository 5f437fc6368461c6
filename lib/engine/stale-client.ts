import type { EntityManager } from 'typeorm';
import { SynchroError } from '../common/errors.js';
import type { HookRunner } from '../hooks/hook-runner.js';
import type { SyncClient } from '../store/sync-clients.js';

/**
 * Asks the host whether a device that has synced before may go on (`onStaleClient`).
 * @throws SynchroError `client_stale` when it may not
 */
export async function refuseStale(
  hooks: HookRunner,
  manager: EntityManager,
  { userId, clientId }: { readonly userId: string; readonly clientId: string },
  { lastSyncAt }: SyncClient,
): Promise<void> {
  if (lastSyncAt === null) return;
  const event = { manager, userId, clientId, lastSyncAt: new Date(lastSyncAt) };
  if (await hooks.allowsStaleClient(event)) return;
  throw new SynchroError('client_stale', 'client has not synced for too long');
}
